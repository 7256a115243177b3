"""``plait ca`` on the CA that a cluster keeps in a Secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from kubernetes import client
from typer.testing import CliRunner, Result

from ca.secret_store import SecretStore
from ca.store import open_or_create
from tests.kube.api_server import ApiServer
from xds.cli.plait import app


def run(api_server: ApiServer, namespace: str, *words: str) -> Result:
    where = ("--kubeconfig", str(api_server.kubeconfig), "-i", namespace)
    return CliRunner().invoke(app(), ["ca", *words, *where])


def test_rotate_root_and_back(api_server: ApiServer, namespace: str) -> None:
    nothing = run(api_server, namespace, "rotate-root")
    assert (nothing.exit_code, f"there is no CA in Secret {namespace}/plait-ca" in nothing.stderr) == (2, True)
    made = open_or_create(SecretStore(client.CoreV1Api(api_server.client()), namespace, "plait-ca"), datetime.now(UTC))
    old = made.active.root_fingerprint
    assert json.loads(run(api_server, namespace, "inspect", "-o", "json").stdout)["root"] == old
    assert run(api_server, namespace, "rotate-root").stdout.startswith(f"distributing: root {old} -> ")
    assert run(api_server, namespace, "bundle").stdout.count("BEGIN CERTIFICATE") == 2
    assert "wait for it, or abort it" in run(api_server, namespace, "rotate-root").stderr
    assert run(api_server, namespace, "rotate-root", "--abort").stdout == f"stable: root {old}\n"
    assert "PRIVATE" not in run(api_server, namespace, "inspect").output


def test_a_plugged_in_ca_is_not_rotated_here(api_server: ApiServer, namespace: str) -> None:
    api_server.kubectl("-n", namespace, "create", "secret", "generic", "cacerts", "--from-literal=ca-cert.pem=x")
    refused = run(api_server, namespace, "rotate-root")
    assert (refused.exit_code, "is plugged in: replace its files" in refused.stderr) == (2, True)


def test_one_place_is_named(api_server: ApiServer, namespace: str) -> None:
    both = run(api_server, namespace, "bundle", "--ca-dir", "/nowhere")
    assert (both.exit_code, "leave one out" in both.stderr) == (2, True)
