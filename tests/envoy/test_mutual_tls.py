"""Mutual TLS between real sidecars: who is let in under which policy, and that changing it cuts nobody else."""

from __future__ import annotations

import pytest

from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    mesh_config,
    namespace,
    pod,
    security,
    service,
)
from xds.testing.mesh import Mesh

WEB = "http://web.shop/"
PORTS = ({"name": "http", "port": 80, "targetPort": 8080}, {"name": "tcp", "port": 9000}, {"name": "any", "port": 7000})
ECHO = ["plait", "echo", "--http", "8080", "--http", "7000", "--tcp", "9000"]


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("outside", inject=False),
        pod("client", account="shopper"),
        pod("web-v1", ports="http:8080 tcp:9000 any:7000", command=ECHO, account="web"),
        pod("web-v2", ports="http:8080 tcp:9000 any:7000", command=ECHO, account="web"),
        pod("stranger", namespace="outside"),
        service("web", *PORTS),
        service("ring", {"name": "tcp", "port": 9000}, selector={"app": "web"}, clusterIP="None"),
    )


def strict() -> Manifest:
    return security("PeerAuthentication", "default", mtls={"mode": "STRICT"})


async def handshakes(mesh: Mesh) -> int:
    counted = await mesh.stats("web-v1", r"listener\.0\.0\.0\.0_15006\.ssl\.handshake")
    return sum(counted.values()) + sum(
        (await mesh.stats("web-v2", r"listener\.0\.0\.0\.0_15006\.ssl\.handshake")).values()
    )


async def test_the_application_is_told_who_calls(mesh: Mesh) -> None:
    answer = await mesh.get("client", WEB)
    assert answer.status == 200
    told = answer.seen["x-forwarded-client-cert"]
    assert "URI=spiffe://cluster.local/ns/shop/sa/shopper" in told
    assert "By=spiffe://cluster.local/ns/shop/sa/web" in told


async def test_nobody_is_believed_without_a_certificate(mesh: Mesh) -> None:
    claimed = {"x-forwarded-client-cert": "By=x;URI=spiffe://cluster.local/ns/shop/sa/shopper"}
    answer = await mesh.get("stranger", WEB, headers=claimed)
    assert answer.status == 200  # PERMISSIVE is what holds while nobody says otherwise
    assert "x-forwarded-client-cert" not in answer.seen
    through_sidecar = await mesh.get("client", WEB, headers=claimed)
    assert "shopper" in through_sidecar.seen["x-forwarded-client-cert"]
    assert "By=x" not in through_sidecar.seen["x-forwarded-client-cert"]


@pytest.mark.parametrize("port", [80, 7000])
async def test_http_goes_encrypted_declared_or_detected(mesh: Mesh, port: int) -> None:
    for h2 in (False, True):
        answers = await mesh.requests("client", f"http://web.shop:{port}/", 4, keep_alive=False, h2=h2)
        assert [answer.status for answer in answers] == [200] * 4
        assert all("sa/shopper" in answer.seen["x-forwarded-client-cert"] for answer in answers)


async def test_tcp_goes_encrypted_by_service_and_by_pod(mesh: Mesh) -> None:
    await mesh.apply(documents(strict()))
    for host in ("web.shop", "ring.shop", mesh.ip("web-v1")):
        (reply,) = await mesh.tcp("client", host, 9000, ["hello"])
        assert reply.echo["namespace"] == "shop", host


async def test_strict_lets_in_nobody_else(mesh: Mesh) -> None:
    await mesh.apply(documents(strict()))
    assert (await mesh.get("client", WEB)).status == 200
    assert (await mesh.get("client", "http://web.shop:7000/")).status == 200
    for port in (80, 7000):
        assert (await mesh.get("stranger", f"http://web.shop:{port}/")).status == 0
    (reply,) = await mesh.tcp("stranger", "web.shop", 9000, ["hello"])
    assert not any("{" in message for message in reply.messages)  # at most a TLS alert


async def test_strict_on_ports_that_no_service_declares(mesh: Mesh) -> None:
    undeclared = f"http://{mesh.ip('web-v1')}:8081/"
    await mesh.apply(documents(strict()))
    assert (await mesh.get("stranger", undeclared)).status == 0


async def test_a_port_of_a_workload_may_be_open(mesh: Mesh) -> None:
    selector = {"matchLabels": {"app": "web"}}
    open_port = security("PeerAuthentication", "web", selector=selector, portLevelMtls={"8080": {"mode": "DISABLE"}})
    await mesh.apply(documents(strict(), open_port))
    assert (await mesh.get("stranger", WEB)).status == 200
    assert (await mesh.get("client", WEB)).status == 200
    assert (await mesh.get("stranger", "http://web.shop:7000/")).status == 0


async def test_permissive_to_strict_and_back_under_load_fails_plaintext_only(mesh: Mesh) -> None:
    async with mesh.load("client", WEB, 200, concurrency=8) as inside, mesh.load("stranger", WEB, 50) as outside:
        for _ in range(2):
            await mesh.apply(documents(strict()))
            await mesh.apply(documents(security("PeerAuthentication", "default", mtls={"mode": "PERMISSIVE"})))
        await mesh.apply(documents(strict()))
        refused = len(outside.failed)

        async def plaintext_fails() -> bool:
            return len(outside.failed) > refused + 5

        await mesh.until(plaintext_fails, "plaintext is refused")
    assert inside.failed == []
    assert inside.connections == 8


async def test_a_rule_decides_for_its_callers(mesh: Mesh) -> None:
    before = await handshakes(mesh)
    await mesh.apply(documents(destination_rule("web", trafficPolicy={"tls": {"mode": "DISABLE"}})))
    answer = await mesh.get("client", WEB, keep_alive=False)
    assert answer.status == 200
    assert "x-forwarded-client-cert" not in answer.seen
    assert await handshakes(mesh) == before
    await mesh.apply(documents(destination_rule("web", trafficPolicy={"tls": {"mode": "ISTIO_MUTUAL"}})))
    assert "x-forwarded-client-cert" in (await mesh.get("client", WEB, keep_alive=False)).seen


async def test_a_server_that_is_somebody_else_is_not_spoken_to(mesh: Mesh) -> None:
    names = ["spiffe://cluster.local/ns/shop/sa/other"]
    wrong = destination_rule("web", trafficPolicy={"tls": {"mode": "ISTIO_MUTUAL", "subjectAltNames": names}})
    await mesh.apply(documents(wrong))
    assert (await mesh.get("client", WEB, keep_alive=False)).status == 503


async def test_without_auto_mtls_nothing_is_encrypted(mesh: Mesh) -> None:
    await mesh.apply(documents(mesh_config(enableAutoMtls=False)))
    answer = await mesh.get("client", WEB, keep_alive=False)
    assert (answer.status, "x-forwarded-client-cert" in answer.seen) == (200, False)


async def test_another_trust_domain_reaches_everybody_without_a_failed_request(mesh: Mesh) -> None:
    async with mesh.load("client", WEB, 100, concurrency=4) as load:
        aliases = ["cluster.local", "new.example"]
        await mesh.apply(documents(mesh_config(trustDomainAliases=aliases)))
        await mesh.apply(documents(mesh_config(trustDomain="new.example", trustDomainAliases=aliases)))
        _, certificates = await mesh.local.admin_get(mesh.pod("client"), "/certs")
        assert b"spiffe://new.example/ns/shop/sa/shopper" in certificates
        await mesh.apply(documents(mesh_config(trustDomainAliases=aliases)))
    assert load.failed == []
