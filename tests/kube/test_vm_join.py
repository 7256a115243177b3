"""``plait vm join`` against a real API server: the token is of the group's account, the roots are the namespace's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from typer.testing import CliRunner, Result

from tests.kube.api_server import ApiServer
from xds.cli.plait import app
from xds.kinds.crds.definitions import all_crds

GROUPS = "workloadgroups.networking.istio.io"


@pytest.fixture
def prepared(api_server: ApiServer, namespace: str) -> str:
    """The namespace with an account, roots and a group."""
    api_server.apply(next(each for each in all_crds() if each["metadata"]["name"] == GROUPS))
    api_server.kubectl("wait", "--for=condition=Established", f"crd/{GROUPS}", "--timeout=30s")
    api_server.apply(
        made("v1", "ServiceAccount", "vm", namespace),
        made("v1", "ConfigMap", "istio-ca-root-cert", namespace, data={"root-cert.pem": "the roots\n"}),
        group("vms", "vm", namespace),
        group("lost", "nobody", namespace),
    )
    return namespace


def made(version: str, kind: str, name: str, namespace: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **more}


def group(name: str, account: str, namespace: str) -> dict[str, Any]:
    template = {"serviceAccount": account, "network": "west"}
    return made("networking.istio.io/v1", "WorkloadGroup", name, namespace, spec={"template": template})


def join(api: ApiServer, namespace: str, group: str, out: Path, *more: str) -> Result:
    words = ("vm", "join", group, "-n", namespace, "--address", "10.0.0.5", "-o", str(out))
    return CliRunner().invoke(app(), [*words, "--kubeconfig", str(api.kubeconfig), *more])


def test_a_machine_of_a_cluster(api_server: ApiServer, prepared: str, tmp_path: Path) -> None:
    result = join(api_server, prepared, "vms", tmp_path, "--xds", "10.9.9.9:15012", "--token-lifetime", "2h")
    assert result.exit_code == 0, (result.output, result.exception)
    claims = jwt.decode((tmp_path / "token").read_text(), options={"verify_signature": False})
    assert (claims["sub"], claims["aud"]) == (f"system:serviceaccount:{prepared}:vm", ["istio-ca"])
    assert claims["exp"] - claims["iat"] == 2 * 3600
    assert (tmp_path / "root-cert.pem").read_text() == "the roots\n"
    config = json.loads((tmp_path / "envoy.json").read_text())
    assert config["node"]["metadata"]["NAME"] == "vms-10.0.0.5-west"
    assert '"sni": "istiod.istio-system.svc"' in json.dumps(config)


def test_what_is_missing_is_told(api_server: ApiServer, prepared: str, tmp_path: Path) -> None:
    for name, more, why in (
        ("vms", (), "--xds"),
        ("none", ("--xds", "a:1"), "not found"),
        ("lost", ("--xds", "a:1"), '"nobody" not found'),
        ("vms", ("--xds", "a:1", "--token-lifetime", "1m"), "no token for service account"),
    ):
        result = join(api_server, prepared, name, tmp_path / "out", *more)
        assert result.exit_code != 0
        assert why in str(result.exception) + result.output
    assert not (tmp_path / "out").exists()
