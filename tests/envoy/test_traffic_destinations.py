"""What a DestinationRule does: load balancing, hashing, connection pools, outlier detection."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest

from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    namespace,
    pod,
    service,
    service_entry,
    subsets,
    to,
    virtual_service,
)
from xds.testing.answers import likely, shares
from xds.testing.mesh import Mesh

WEB = "http://web"
USERS = [f"user-{number}" for number in range(40)]
BROKEN = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Broken(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass

ThreadingHTTPServer(("", 8080), Broken).serve_forever()
"""
TCP = {"name": "tcp", "port": 9000}
SAME_PORT = {"name": "http-same", "port": 8080}


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        pod("client"),
        pod("web-v1", labels={"flaky": "yes"}, ports="http:8080 tcp:9000"),
        pod("web-v2", ports="http:8080 tcp:9000"),
        service("web", {"name": "http", "port": 80, "targetPort": 8080}, SAME_PORT, TCP),
        pod("broken", labels={"flaky": "yes"}, command=["python3", "-c", BROKEN]),
        service("flaky", selector={"flaky": "yes"}),
    )


async def ruled(mesh: Mesh, *others: Manifest, host: str = "web", **policy: Any) -> None:
    """Put a rule with this traffic policy in force."""
    await mesh.apply(documents(destination_rule(host, trafficPolicy=policy), *others))


# -- load balancing


async def test_round_robin_takes_turns(mesh: Mesh) -> None:
    await ruled(mesh, loadBalancer={"simple": "ROUND_ROBIN"})
    pods = [answer.pod for answer in await mesh.requests("client", WEB, 40)]
    assert pods[::2] == [pods[0]] * 20
    assert pods[1::2] == [pods[1]] * 20
    assert pods[0] != pods[1]


async def test_random(mesh: Mesh) -> None:
    await ruled(mesh, loadBalancer={"simple": "RANDOM"})
    answers = await mesh.requests("client", WEB, 400, concurrency=2)
    assert shares(answers)["v1"] in likely(400, 0.5)
    pods = [answer.pod for answer in answers]
    assert pods[::2].count("web-v1") not in {0, 200}  # no turns


async def test_least_request_avoids_a_busy_pod(mesh: Mesh) -> None:
    rule = destination_rule(
        "web", trafficPolicy={"loadBalancer": {"simple": "LEAST_REQUEST"}}, subsets=subsets("v1", "v2")
    )
    slow = {"match": [{"uri": {"prefix": "/slow"}}], "route": [to("web")]}
    await mesh.apply(documents(rule, virtual_service("web", slow, {"route": [to("web")]})))
    waiting = asyncio.create_task(mesh.get("client", f"{WEB}/slow?delay=2s"))

    async def under_way() -> bool:
        return any((await mesh.stats("client", r"outbound\|80\|\|web.*upstream_rq_active$")).values())

    await mesh.until(under_way, "the slow request")
    counted = shares(await mesh.requests("client", WEB, 100))
    busy = (await waiting).echo["version"]
    # Of two pods that are looked at, the busy one is taken only when it is looked at twice.
    assert counted[busy] in likely(100, 0.25)


HASHES: dict[str, dict[str, Any]] = {
    "ring": {},
    "ring-of-a-size": {"ringHash": {"minimumRingSize": 128}},
    "ring-old-words": {"minimumRingSize": 128},
    "maglev": {"maglev": {}},
    "maglev-of-a-size": {"maglev": {"tableSize": 251}},
}


async def by_user(mesh: Mesh, **how: Any) -> dict[str, set[str]]:
    """The pods that each of many users met in three requests."""
    return {
        user: {answer.pod for answer in await mesh.requests("client", WEB, 3, headers={"x-user": user}, **how)}
        for user in USERS
    }


@pytest.mark.parametrize("kind", HASHES)
async def test_consistent_hash_by_header(mesh: Mesh, kind: str) -> None:
    await ruled(mesh, loadBalancer={"consistentHash": {"httpHeaderName": "x-user", **HASHES[kind]}})
    met = await by_user(mesh)
    assert all(len(pods) == 1 for pods in met.values()), met
    assert set().union(*met.values()) == {"web-v1", "web-v2"}


async def test_consistent_hash_by_query(mesh: Mesh) -> None:
    await ruled(mesh, loadBalancer={"consistentHash": {"httpQueryParameterName": "user"}})
    met = {}
    for user in USERS:
        met[user] = {answer.pod for answer in await mesh.requests("client", f"{WEB}/?user={user}", 3)}
    assert all(len(pods) == 1 for pods in met.values()), met
    assert set().union(*met.values()) == {"web-v1", "web-v2"}


async def test_consistent_hash_by_address(mesh: Mesh) -> None:
    await ruled(mesh, loadBalancer={"consistentHash": {"useSourceIp": True}})
    answers = await mesh.requests("client", WEB, 40, keep_alive=False)
    assert len({answer.pod for answer in answers}) == 1


async def test_consistent_hash_by_cookie(mesh: Mesh) -> None:
    cookie = {"name": "session", "path": "/shop", "ttl": "60s"}
    await ruled(mesh, loadBalancer={"consistentHash": {"httpCookie": cookie}})
    met = set()
    for _ in range(20):
        first = await mesh.get("client", WEB)
        given = SimpleCookie(first.headers["set-cookie"])["session"]
        assert (given["path"], given["max-age"]) == ("/shop", "60")
        again = await mesh.requests("client", WEB, 3, headers={"Cookie": f"session={given.value}"})
        assert {answer.pod for answer in again} == {first.pod}
        assert all("set-cookie" not in answer.headers for answer in again)
        met.add(first.pod)
    assert met == {"web-v1", "web-v2"}


async def test_a_subset_has_a_policy_of_its_own(mesh: Mesh) -> None:
    everyone = {"name": "all", "trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}}}
    rule = destination_rule(
        "web",
        trafficPolicy={"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}},
        subsets=[everyone],
    )
    turns = {"match": [{"uri": {"prefix": "/turns"}}], "route": [to("web", "all")]}
    await mesh.apply(documents(rule, virtual_service("web", turns, {"route": [to("web")]})))
    headers = {"x-user": "ann"}
    assert shares(await mesh.requests("client", f"{WEB}/turns", 20, headers=headers)) == {"v1": 10, "v2": 10}
    assert len(shares(await mesh.requests("client", WEB, 20, headers=headers))) == 1


async def test_a_port_has_a_policy_of_its_own(mesh: Mesh) -> None:
    turns = {"port": {"number": 8080}, "loadBalancer": {"simple": "ROUND_ROBIN"}}
    hashed = {"consistentHash": {"httpHeaderName": "x-user"}}
    await ruled(mesh, loadBalancer=hashed, portLevelSettings=[turns])
    headers = {"x-user": "ann"}
    assert shares(await mesh.requests("client", f"{WEB}:8080", 20, headers=headers)) == {"v1": 10, "v2": 10}
    assert len(shares(await mesh.requests("client", WEB, 20, headers=headers))) == 1


async def test_passthrough_goes_where_the_client_went(mesh: Mesh) -> None:
    url, named = f"http://{mesh.ip('web-v2')}:8080", {"Host": "web:8080"}
    assert len(shares(await mesh.requests("client", url, 40, headers=named))) == 2
    await ruled(mesh, loadBalancer={"simple": "PASSTHROUGH"})
    assert shares(await mesh.requests("client", url, 40, headers=named)) == {"v2": 40}


# -- connection pools


async def test_requests_beyond_the_pool_are_refused_at_once(mesh: Mesh) -> None:
    tight = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}}
    await ruled(mesh, connectionPool=tight)
    answers = await mesh.requests("client", f"{WEB}/?delay=4s", 10, concurrency=10, timeout_s=30)
    refused = [answer for answer in answers if answer.status == 503]
    # Each of Envoy's threads may open one connection more; the server has the limits, too.
    assert 6 <= len(refused) <= 9
    assert all(answer.headers.get("x-envoy-overloaded") == "true" for answer in refused)
    served = [answer.elapsed for answer in answers if answer.status == 200]
    assert all(answer.elapsed < min(served) for answer in refused)


async def test_requests_under_way_are_limited(mesh: Mesh) -> None:
    await ruled(mesh, connectionPool={"http": {"http2MaxRequests": 2}})
    answers = await mesh.requests("client", f"{WEB}/?delay=500ms", 10, concurrency=10)
    statuses = [answer.status for answer in answers]
    assert (statuses.count(200), statuses.count(503)) == (2, 8)


async def connections(mesh: Mesh) -> int:
    """How many connections for port 80 of ``web`` the client's proxy has opened so far."""
    found = await mesh.stats("client", r"outbound\|80\|\|web.*upstream_cx_total$")
    return sum(found.values())


async def test_requests_per_connection(mesh: Mesh) -> None:
    await ruled(mesh, connectionPool={"http": {"maxRequestsPerConnection": 1}})
    before = await connections(mesh)
    assert {answer.status for answer in await mesh.requests("client", WEB, 12)} == {200}
    assert await connections(mesh) - before == 12


async def test_connections_are_kept_otherwise(mesh: Mesh) -> None:
    await mesh.requests("client", WEB, 10)
    before = await connections(mesh)
    assert {answer.status for answer in await mesh.requests("client", WEB, 40)} == {200}
    assert await connections(mesh) - before <= 2


async def test_idle_connections_are_closed(mesh: Mesh) -> None:
    await ruled(mesh, connectionPool={"http": {"idleTimeout": "300ms"}})
    await mesh.get("client", WEB)

    async def closed() -> bool:
        found = await mesh.stats("client", r"outbound\|80\|\|web.*upstream_cx_idle_timeout$")
        return sum(found.values()) > 0

    await mesh.until(closed, "an idle connection closed")


async def test_tcp_connections_are_limited(mesh: Mesh) -> None:
    await ruled(mesh, connectionPool={"tcp": {"maxConnections": 2}})
    replies = await mesh.tcp("client", "web", 9000, ["hello"], count=4)
    assert [reply.messages[1:] for reply in replies] == [("hello",), ("hello",), (), ()]
    assert [reply.closed for reply in replies] == [False, False, True, True]


async def test_connect_timeout(mesh: Mesh) -> None:
    nobody = service_entry(
        "nobody",
        hosts=["nobody.example.com"],
        ports=[{"number": 80, "name": "http", "protocol": "HTTP"}],
        resolution="STATIC",
        endpoints=[{"address": "10.77.250.250"}],
    )
    once = virtual_service(
        "nobody.example.com", {"route": [to("nobody.example.com")], "retries": {"attempts": 0}}, name="nobody"
    )
    rule = destination_rule(
        "nobody.example.com", name="nobody", trafficPolicy={"connectionPool": {"tcp": {"connectTimeout": "200ms"}}}
    )
    await mesh.apply(documents(nobody, once, rule))
    answer = await mesh.get("client", "http://nobody.example.com/", timeout_s=60)
    assert answer.status == 503
    assert answer.elapsed < timedelta(seconds=8)  # Envoy waits 10 s where nothing is said


# -- outlier detection


async def test_failing_pods_get_their_share_without_outlier_detection(mesh: Mesh) -> None:
    statuses = [answer.status for answer in await mesh.requests("client", "http://flaky", 100)]
    assert statuses.count(503) in likely(100, 0.5)


@pytest.mark.parametrize("condition", [{"consecutive5xxErrors": 3}, {"consecutiveGatewayErrors": 3}], ids=str)
async def test_failing_pods_are_left_out(mesh: Mesh, condition: dict[str, int]) -> None:
    times = {"interval": "1s", "baseEjectionTime": "60s", "maxEjectionPercent": 100}
    await ruled(mesh, host="flaky", outlierDetection={**condition, **times})
    first = [answer.status for answer in await mesh.requests("client", "http://flaky", 60)]
    assert first.count(503) == 3
    later = [answer.status for answer in await mesh.requests("client", "http://flaky", 100)]
    assert later == [200] * 100


async def test_left_out_pods_come_back(mesh: Mesh) -> None:
    times = {"interval": "200ms", "baseEjectionTime": "500ms", "maxEjectionPercent": 100}
    await ruled(mesh, host="flaky", outlierDetection={"consecutive5xxErrors": 2, **times})
    await mesh.requests("client", "http://flaky", 40)

    async def back() -> bool:
        return 503 in {answer.status for answer in await mesh.requests("client", "http://flaky", 10)}

    await mesh.until(back, "the pod that was left out")


async def test_no_more_pods_are_left_out_than_may_be(mesh: Mesh) -> None:
    times = {"interval": "1s", "baseEjectionTime": "60s", "maxEjectionPercent": 49}
    await ruled(mesh, host="flaky", outlierDetection={"consecutive5xxErrors": 1, **times})
    statuses = [answer.status for answer in await mesh.requests("client", "http://flaky", 100)]
    assert statuses.count(503) in likely(100, 0.5)  # one of two would be more


async def test_retries_avoid_the_pod_that_failed(mesh: Mesh) -> None:
    retried = {"route": [to("flaky")], "retries": {"attempts": 2, "retryOn": "503"}}
    in_turn = {"loadBalancer": {"simple": "ROUND_ROBIN"}}  # picked at random, it would sometimes be the same six times
    await mesh.apply(documents(virtual_service("flaky", retried), destination_rule("flaky", trafficPolicy=in_turn)))
    answers = await mesh.requests("client", "http://flaky", 60)
    assert {answer.status for answer in answers} == {200}
