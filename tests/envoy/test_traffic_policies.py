"""The rest of what a DestinationRule says of connections: PROXY protocol, tunnels, retry budgets, warm-up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.envoy.manifests import Manifest, destination_rule, documents, namespace, pod, service, to, virtual_service
from xds.testing.answers import likely, shares
from xds.testing.mesh import Mesh

ALONE = {"sidecar.istio.io/inject": "false"}
# An HTTP proxy that says what it was asked for, then echoes.
TUNNEL = """
import socketserver

class Proxy(socketserver.StreamRequestHandler):
    def handle(self):
        asked = self.rfile.readline().decode().strip()
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\\r\\n\\r\\n" + asked.encode() + b"\\n")
        while line := self.rfile.readline():
            self.wfile.write(line)

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

Server(("", 9000), Proxy).serve_forever()
"""
TCP = {"name": "tcp", "port": 9000}
OTHER = {"name": "tcp-other", "port": 9001, "targetPort": 9000}


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        pod("client"),
        pod("raw", labels=ALONE, ports="tcp:9000"),
        service("raw", TCP, OTHER),
        pod("proxy", labels=ALONE, ports="tcp:9000", command=["python3", "-c", TUNNEL]),
        service("proxy", TCP),
        pod("web", labels=ALONE),
        service("web"),
        pod("warm-1", labels=ALONE),
        service("warm"),
        *(pod(f"{name}-{number}", labels=ALONE) for name in ("left", "right") for number in (1, 2)),
        service("left"),
        service("right"),
    )


async def ruled(mesh: Mesh, *others: Manifest, host: str, **policy: Any) -> None:
    await mesh.apply(documents(destination_rule(host, trafficPolicy=policy), *others))


async def said(mesh: Mesh, host: str, port: int = 9000) -> str:
    (reply,) = await mesh.tcp("client", host, port, ["hello"])
    return "\n".join(reply.messages)


async def test_proxy_protocol(mesh: Mesh) -> None:
    assert "PROXY" not in await said(mesh, "raw")
    own = {"port": {"number": 9001}, "connectionPool": {"tcp": {"maxConnections": 9}}}
    await ruled(mesh, host="raw", proxyProtocol={}, portLevelSettings=[own])
    for port in (9000, 9001):  # settings of a port have no words for it, and leave it in force
        assert f"PROXY TCP4 {mesh.ip('client')}" in await said(mesh, "raw", port)


async def test_tunnel(mesh: Mesh) -> None:
    await ruled(mesh, host="proxy", tunnel={"targetHost": "far.example.com", "targetPort": 443})
    assert "CONNECT far.example.com:443" in await said(mesh, "proxy")
    await ruled(mesh, host="proxy", tunnel={"protocol": "POST", "targetHost": "far.example.com", "targetPort": 443})
    assert "POST" in await said(mesh, "proxy")


@pytest.mark.parametrize(
    ("budget", "retried"), [({}, 3), ({"retryBudget": {"percent": 0, "minRetryConcurrency": 1}}, 1)], ids=str
)
async def test_retry_budget(mesh: Mesh, budget: dict[str, Any], retried: int) -> None:
    again = {"route": [to("web")], "retries": {"attempts": 1, "retryOn": "503"}}
    await ruled(mesh, virtual_service("web", again), host="web", **budget)
    urls = [f"http://web/?delay=1s&fail_first=1&fail_status=503&key={retried}-{number}" for number in range(10)]
    answers = await asyncio.gather(*(mesh.get("client", url) for url in urls))
    statuses = [answer.status for answer in answers]
    assert (statuses.count(200), statuses.count(503)) == (retried, 10 - retried)


async def test_each_share_is_hashed_by_its_own_rule(mesh: Mesh) -> None:
    both = {"route": [to("left", weight=30), to("right", weight=70)]}
    await mesh.apply(
        documents(
            virtual_service("web", both),
            destination_rule("left", trafficPolicy={"loadBalancer": {"consistentHash": {"httpHeaderName": "x-left"}}}),
            destination_rule(
                "right", trafficPolicy={"loadBalancer": {"consistentHash": {"httpHeaderName": "x-right"}}}
            ),
        )
    )
    met: dict[str, set[str]] = {"left": set(), "right": set()}
    for number in range(12):
        headers = {"x-left": f"user-{number}", "x-right": f"user-{number}"}
        found = shares(await mesh.requests("client", "http://web", 30, headers=headers), "pod")
        assert len(found) == 2
        for name in found:
            met[name.partition("-")[0]].add(name)
    assert met == {"left": {"left-1", "left-2"}, "right": {"right-1", "right-2"}}
    headers = {"x-left": "ann", "x-right": "ann"}
    counted = shares(await mesh.requests("client", "http://web", 500, headers=headers), "pod")
    assert next(count for name, count in counted.items() if name.startswith("left")) in likely(500, 0.3)


async def test_new_pods_warm_up(mesh: Mesh) -> None:
    window = 5.0
    await ruled(mesh, host="warm", loadBalancer={"simple": "ROUND_ROBIN", "warmup": {"duration": f"{window:g}s"}})
    clock = asyncio.get_running_loop().time
    begun = clock()

    async def warm() -> bool:
        return clock() - begun > window

    await mesh.until(warm, "the first pod has warmed up")
    await mesh.apply(documents(pod("warm-2", labels=ALONE)), "new.yaml")
    counted = shares(await mesh.requests("client", "http://warm", 60), "pod")
    assert counted["warm-2"] < 25

    async def alike() -> bool:
        return shares(await mesh.requests("client", "http://warm", 60), "pod")["warm-2"] == 30

    await mesh.until(alike, "the new pod has its full share")
