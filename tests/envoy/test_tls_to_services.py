"""TLS that callers originate by a DestinationRule: files, Secrets by name, bounds of the mesh; to a real TLS server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ca.authority import Authority, Issued
from ca.issuer import Issuer, self_signed
from tests.envoy.manifests import Manifest, destination_rule, documents, mesh_config, namespace, pod, service
from tests.envoy.readable import readable
from xds.testing.mesh import Mesh

SECURE = "http://secure/"
NAME = "secure.test"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return self_signed(datetime.now(UTC))


@pytest.fixture(scope="module")
def mesh_manifests(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(issuer, "example.com")
    served = authority.issue_server([NAME], DAY, datetime.now(UTC))
    files = {"cert.pem": served.certificate_chain, "key.pem": served.private_key, "ca.pem": authority.roots.pem}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    readable(folder)  # the application is a user of its own
    echo = ["plait", "echo", "--https", "8080", "--tls", str(folder / "cert.pem"), str(folder / "key.pem")]
    return documents(
        namespace("shop"),
        pod("client"),
        pod("other"),
        pod("secure", command=echo, annotations={"sidecar.istio.io/inject": "false"}),
        pod("mutual", command=[*echo, "--tls-ca", str(folder / "ca.pem")],
            annotations={"sidecar.istio.io/inject": "false"}),
        service("secure"),
        service("mutual"),
    )  # fmt: skip


def rule(host: str, *, only: str = "client", **tls: Any) -> Manifest:
    wanted = {"mode": "SIMPLE", "sni": NAME, "subjectAltNames": [NAME], **tls}
    if not only:
        return destination_rule(host, trafficPolicy={"tls": wanted})
    selector = {"matchLabels": {"app": only}}
    return destination_rule(host, trafficPolicy={"tls": wanted}, workloadSelector=selector)


def secret(name: str, issuer: Issuer, client: Issued | None = None) -> Manifest:
    texts = {"ca.crt": Authority(issuer, "example.com").roots.pem.decode()}
    if client is not None:
        texts |= {"tls.crt": client.certificate_chain.decode(), "tls.key": client.private_key.decode()}
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": texts}


def client_of(issuer: Issuer) -> Issued:
    return Authority(issuer, "example.com").issue("spiffe://example.com/ns/x/sa/y", DAY, datetime.now(UTC))


async def test_authorities_from_a_secret_for_chosen_callers_only(mesh: Mesh, issuer: Issuer) -> None:
    await mesh.apply(documents(secret("trusted", issuer), rule("secure", credentialName="trusted")))
    answer = await mesh.get("client", SECURE)
    assert (answer.status, answer.echo["scheme"]) == (200, "https")
    assert (await mesh.get("other", SECURE)).status != 200


async def test_a_server_that_the_secret_does_not_vouch_for_is_refused(mesh: Mesh, issuer: Issuer) -> None:
    stranger = self_signed(datetime.now(UTC))
    await mesh.apply(documents(secret("trusted", stranger), rule("secure", credentialName="trusted")))
    assert (await mesh.get("client", SECURE, keep_alive=False)).status == 503
    await mesh.apply(documents(secret("trusted", issuer), rule("secure", credentialName="trusted")))

    async def believed() -> bool:
        return (await mesh.get("client", SECURE, keep_alive=False)).status == 200

    await mesh.until(believed, "the new authorities are in force")


async def test_a_certificate_from_a_secret(mesh: Mesh, issuer: Issuer) -> None:
    mutual = rule("mutual", mode="MUTUAL", credentialName="pair")
    await mesh.apply(documents(secret("pair", issuer, client_of(issuer)), mutual))
    assert (await mesh.get("client", "http://mutual/")).status == 200
    await mesh.apply(documents(secret("trusted", issuer), rule("mutual", credentialName="trusted")))
    assert (await mesh.get("client", "http://mutual/", keep_alive=False)).status != 200


async def test_a_secret_is_sent_to_nobody_else(mesh: Mesh, issuer: Issuer) -> None:
    mutual = rule("mutual", mode="MUTUAL", credentialName="pair")
    await mesh.apply(documents(secret("pair", issuer, client_of(issuer)), mutual))
    assert "kubernetes://pair" in json.dumps(await mesh.config_dump("client"))
    assert "kubernetes://pair" not in json.dumps(await mesh.config_dump("other"))
    assert "PRIVATE KEY" not in json.dumps(await mesh.config_dump("client"))


async def test_a_secret_for_everybody_is_refused_and_said(mesh: Mesh, issuer: Issuer) -> None:
    await mesh.apply(documents(secret("trusted", issuer), rule("secure", only="", credentialName="trusted")))

    async def said() -> bool:
        return any(problem.code == "tls.credential-for-all" for problem in mesh.problems)

    await mesh.until(said, "the rule is refused")
    assert (await mesh.get("client", SECURE)).status != 200


async def test_files(mesh: Mesh, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    file.write_bytes(Authority(issuer, "example.com").roots.pem)
    readable(file.parent)  # as Envoy is
    await mesh.apply(documents(rule("secure", only="", caCertificates=str(file))))
    assert (await mesh.get("client", SECURE)).status == 200


async def test_bounds_of_the_mesh_hold_within_and_without(mesh: Mesh, issuer: Issuer) -> None:
    bounds = mesh_config(tlsDefaults={"minProtocolVersion": "TLSV1_3"}, meshMTLS={"minProtocolVersion": "TLSV1_3"})
    await mesh.apply(documents(bounds, secret("trusted", issuer), rule("secure", credentialName="trusted")))
    assert (await mesh.get("client", SECURE, keep_alive=False)).status == 200
    dump = json.dumps(await mesh.config_dump("client"))
    assert '"tls_minimum_protocol_version": "TLSv1_3"' in dump
    assert '"tls_minimum_protocol_version": "TLSv1_2"' not in dump
