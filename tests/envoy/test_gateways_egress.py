"""Egress gateways: calls to the outside that go by a router, and nothing else; and the mesh's own passed on by SNI."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import pytest

from ca.authority import Authority
from ca.issuer import self_signed
from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    gateway,
    mesh_config,
    namespace,
    pod,
    router,
    security,
    server,
    service,
    service_entry,
    to,
    virtual_service,
)
from tests.envoy.readable import readable
from xds.testing.mesh import Mesh

EGRESS = "egress.ingress.svc.cluster.local"
ONLY = mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})
HTTP_PORT = {"number": 80, "name": "http", "protocol": "HTTP"}
TLS_PORT = {"number": 443, "name": "tls", "protocol": "TLS"}


@pytest.fixture(scope="module")
def mesh_manifests(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tls")
    served = Authority(self_signed(datetime.now(UTC)), "example.com").issue_server(
        ["ext.test"], timedelta(days=1), datetime.now(UTC)
    )
    (folder / "cert.pem").write_bytes(served.certificate_chain)
    (folder / "key.pem").write_bytes(served.private_key)
    readable(folder)
    hidden = service("far", {"name": "https", "port": 443, "targetPort": 8443}, namespace="outside",
                     selector={"app": "ext"})  # fmt: skip
    hidden["metadata"]["annotations"] = {"networking.istio.io/exportTo": "~"}  # its name is known to DNS alone
    echo = ["plait", "echo", "--http", "8080", "--https", "8443"]
    echo += ["--tls", str(folder / "cert.pem"), str(folder / "key.pem")]
    return documents(
        namespace("shop"),
        namespace("ingress"),
        namespace("outside", inject=False),
        pod("ext", namespace="outside", ports="http:8080 https:8443", command=echo),
        hidden,
        pod("client", account="client"),
        pod("stranger", account="stranger"),
        pod("web"),
        service("web"),
        *router("egress", "ingress", {"name": "http", "port": 80}, {"name": "https", "port": 443},
                {"name": "tls", "port": 15443}),
    )  # fmt: skip


def entry(mesh: Mesh) -> Manifest:
    """The service outside, by name."""
    endpoint = {"address": mesh.ip("outside/ext"), "ports": {"http": 8080, "tls": 8443}}
    return service_entry(
        "ext", hosts=["ext.test"], location="MESH_EXTERNAL", resolution="DNS", ports=[HTTP_PORT, TLS_PORT],
        endpoints=[endpoint],
    )  # fmt: skip


def by_egress() -> list[Manifest]:
    """HTTP for the outside goes to the router by the mesh's mutual TLS, and from there on."""
    mutual = {"mode": "ISTIO_MUTUAL", "sni": "ext.test"}
    doors = server(443, "HTTPS", "ext.test", tls={"mode": "ISTIO_MUTUAL"})
    way_in = {"match": [{"gateways": ["mesh"], "port": 80}], "route": [to(EGRESS, "ext", 100)]}
    way_in["route"][0]["destination"]["port"] = {"number": 443}
    way_out = {"match": [{"gateways": ["egress"], "port": 443}], "route": [to("ext.test", "", 100)]}
    way_out["route"][0]["destination"]["port"] = {"number": 80}
    return [
        gateway("egress", doors, router="egress"),
        destination_rule(EGRESS, name="to-egress", subsets=[{"name": "ext", "trafficPolicy": {"tls": mutual}}]),
        virtual_service("ext.test", way_in, way_out, gateways=["mesh", "egress"]),
    ]


async def taken(mesh: Mesh) -> int:
    found = await mesh.stats("ingress/egress", "downstream_cx_total")
    return sum(value for name, value in found.items() if "0.0.0.0" in name)


async def test_http_goes_by_the_egress_gateway(mesh: Mesh) -> None:
    await mesh.apply(documents(ONLY, entry(mesh), *by_egress()))
    before = await taken(mesh)
    answer = await mesh.get("client", "http://ext.test/")
    assert answer.status == 200, answer
    assert answer.pod == "ext"
    assert await taken(mesh) > before


async def test_an_allow_list_by_identity_cannot_be_passed_by(mesh: Mesh) -> None:
    who = "cluster.local/ns/shop/sa/client"
    allow = security("AuthorizationPolicy", "who-may-leave", "ingress", selector={"matchLabels": {"istio": "egress"}},
                     rules=[{"from": [{"source": {"principals": [who]}}],
                             "to": [{"operation": {"hosts": ["ext.test"]}}]}])  # fmt: skip
    await mesh.apply(documents(ONLY, entry(mesh), *by_egress(), allow))
    assert (await mesh.get("client", "http://ext.test/")).status == 200
    assert (await mesh.get("stranger", "http://ext.test/")).status == 403
    assert (await mesh.get("client", "http://unknown.test/")).status in {0, 502}
    # Somebody without the mesh's certificate does not get as far as a request.
    refused = await mesh.get("outside/ext", f"http://{mesh.ip('ingress/egress')}:443/", headers={"host": "ext.test"})
    assert refused.status == 0


async def test_tls_is_passed_on_by_the_egress_gateway(mesh: Mesh) -> None:
    doors = server(443, "TLS", "ext.test", tls={"mode": "PASSTHROUGH"})
    share = {"destination": {"host": EGRESS, "port": {"number": 443}}}
    outside = {"destination": {"host": "ext.test", "port": {"number": 443}}}
    routes = [
        {"match": [{"gateways": ["mesh"], "port": 443, "sniHosts": ["ext.test"]}], "route": [share]},
        {"match": [{"gateways": ["egress"], "port": 443, "sniHosts": ["ext.test"]}], "route": [outside]},
    ]
    passed = virtual_service("ext.test", gateways=["mesh", "egress"], tls=routes)
    await mesh.apply(documents(ONLY, entry(mesh), gateway("egress", doors, router="egress"), passed))
    before = await taken(mesh)
    words = ["curl", "-sk", "--max-time", "10", "https://ext.test/"]
    done = await mesh.local.exec(mesh.pod("client"), words)
    assert '"scheme": "https"' in done.stdout or '"scheme":"https"' in done.stdout, done
    assert await taken(mesh) > before


WILD = "*.outside.svc.cluster.local"


async def test_what_a_wildcard_covers_is_resolved_by_the_egress_gateway(mesh: Mesh) -> None:
    doors = server(443, "TLS", WILD, tls={"mode": "PASSTHROUGH"})
    share = {"destination": {"host": EGRESS, "port": {"number": 443}}}
    outside = {"destination": {"host": WILD, "port": {"number": 443}}}
    routes = [
        {"match": [{"gateways": ["mesh"], "port": 443, "sniHosts": [WILD]}], "route": [share]},
        {"match": [{"gateways": ["egress"], "port": 443, "sniHosts": [WILD]}], "route": [outside]},
    ]
    passed = virtual_service(WILD, name="wild", gateways=["mesh", "egress"], tls=routes)
    wild = service_entry("wild", hosts=[WILD], location="MESH_EXTERNAL", resolution="DYNAMIC_DNS", ports=[TLS_PORT])
    await mesh.apply(documents(ONLY, wild, gateway("egress", doors, router="egress"), passed))
    before = await taken(mesh)
    for name, answered in (("far", True), ("nobody", False)):
        host = f"{name}.outside.svc.cluster.local"
        words = ["curl", "-sk", "--max-time", "10", "--resolve", f"{host}:443:198.51.100.9", f"https://{host}/"]
        done = await mesh.local.exec(mesh.pod("client"), words)
        assert ('"pod": "ext"' in done.stdout) is answered, done
    assert await taken(mesh) > before


_SNI = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_alpn_protocols(["istio"])
with socket.create_connection((sys.argv[1], 15443), 10) as plain:
    try:
        with context.wrap_socket(plain, server_hostname=sys.argv[2]) as secure:
            print(bool(secure.getpeercert(binary_form=True)))
    except OSError as error:
        print(type(error).__name__, error)
"""


async def test_the_meshs_own_connections_are_passed_on_by_sni(mesh: Mesh) -> None:
    doors = server(15443, "TLS", "*.local", tls={"mode": "AUTO_PASSTHROUGH"})
    await mesh.apply(documents(gateway("east-west", doors, router="egress")))
    where = mesh.ip("ingress/egress")

    async def seen(name: str) -> str:
        done = await mesh.local.exec(mesh.pod("outside/ext"), [sys.executable, "-c", _SNI, where, name])
        return done.stdout + done.stderr

    before = await mesh.stats("shop/web", "downstream_cx_total")
    # The server wants a certificate of the mesh: that the handshake gets as far as its own shows who answers.
    assert "True" in await seen("outbound_.80_._.web.shop.svc.cluster.local")
    after = await mesh.stats("shop/web", "downstream_cx_total")
    assert sum(after.values()) > sum(before.values())
    assert "True" not in await seen("outbound_.80_._.nobody.shop.svc.cluster.local")
    assert "True" not in await seen("web.shop.svc.cluster.local")
