"""What must do no harm: retries of retries, outlier detection of the last host, sessions, limits at the server."""

from __future__ import annotations

import asyncio
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
    to,
    virtual_service,
)
from xds.testing.answers import shares
from xds.testing.mesh import Mesh

ALONE = {"sidecar.istio.io/inject": "false"}
USERS = [f"user-{number}" for number in range(20)]
BROKEN = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Broken(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(503)
        self.send_header("x-broken", "yes")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass

ThreadingHTTPServer(("", 8080), Broken).serve_forever()
"""


def broken(name: str, **labels: str) -> Manifest:
    return pod(name, labels={**labels, **ALONE}, command=["python3", "-c", BROKEN])


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        pod("client"),
        pod("other"),
        pod("web-v1", labels={"half": "yes", **ALONE}),
        pod("web-v2", labels=ALONE),
        pod("web-v3", labels=ALONE),
        service("web"),
        pod("lone"),
        service("lone"),
        broken("b-1", one="yes", two="yes", three="yes", half="yes"),
        broken("b-2", two="yes", three="yes"),
        broken("b-3", three="yes"),
        *(service(name, selector={name: "yes"}) for name in ("one", "two", "three", "half")),
    )


async def ruled(mesh: Mesh, *others: Manifest, host: str = "web", **policy: Any) -> None:
    await mesh.apply(documents(destination_rule(host, trafficPolicy=policy), *others))


# -- outlier detection


@pytest.mark.parametrize("host", ["one", "two", "three"])
@pytest.mark.parametrize("percent", [0, 10, 100])
async def test_the_last_host_is_never_out(mesh: Mesh, host: str, percent: int) -> None:
    detection = {"consecutive5xxErrors": 1, "interval": "1s", "baseEjectionTime": "60s", "maxEjectionPercent": percent}
    await ruled(mesh, host=host, outlierDetection=detection)
    answers = await mesh.requests("client", f"http://{host}", 40)
    assert {answer.headers.get("x-broken") for answer in answers} == {"yes"}  # no answer of Envoy's own


async def test_how_many_are_out(mesh: Mesh) -> None:
    found: dict[str, int] = {}
    for host in ("one", "two", "three"):
        detection = {"consecutive5xxErrors": 1, "interval": "1s", "baseEjectionTime": "60s"}
        await ruled(mesh, host=host, outlierDetection=detection)
        await mesh.requests("client", f"http://{host}", 40)
        stats = await mesh.stats("client", rf"\|{host}\..*outlier_detection.ejections_active$")
        found[host] = sum(stats.values())
    assert found == {"one": 0, "two": 1, "three": 1}


# -- retries


async def test_a_retry_is_not_tried_again(mesh: Mesh) -> None:
    retried = {"route": [to("lone")], "retries": {"attempts": 3, "retryOn": "503"}}
    await mesh.apply(documents(virtual_service("lone", retried)))
    answer = await mesh.get("client", "http://lone/?fail_first=1&fail_status=503&key=first")
    assert (answer.status, answer.seen["x-envoy-attempt-count"]) == (200, "2")
    for number, status in (("1", 200), ("2", 503), ("12", 503)):
        url = f"http://lone/?fail_first=1&fail_status=503&key=hop{number}"
        answer = await mesh.get("client", url, headers={"x-envoy-attempt-count": number})
        assert answer.status == status, number


async def test_retries_stay_with_the_host_that_is_hashed_to(mesh: Mesh) -> None:
    retried = {"route": [to("half")], "retries": {"attempts": 5, "retryOn": "503"}}
    hashed = destination_rule("half", trafficPolicy={"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}})
    await mesh.apply(documents(virtual_service("half", retried), hashed))
    statuses = [(await mesh.get("client", "http://half", headers={"x-user": user})).status for user in USERS]
    assert set(statuses) == {200, 503}
    retried["retries"] = {"attempts": 5, "retryOn": "503", "retryIgnorePreviousHosts": True}
    await mesh.apply(documents(virtual_service("half", retried), hashed))
    left = [(await mesh.get("client", "http://half", headers={"x-user": user})).status for user in USERS]
    assert left.count(503) < statuses.count(503)  # neighbours on the ring may be one host more often than Envoy looks


# -- limits at the server


async def test_limits_hold_at_the_server_too(mesh: Mesh) -> None:
    await ruled(mesh, host="lone", connectionPool={"http": {"http2MaxRequests": 1}})
    slow = "http://lone/?delay=1s"
    answers = await asyncio.gather(mesh.get("client", slow), mesh.get("other", slow))
    assert sorted(answer.status for answer in answers) == [200, 503]
    await ruled(mesh, host="lone", connectionPool={"http": {"http2MaxRequests": 2}})
    answers = await asyncio.gather(mesh.get("client", slow), mesh.get("other", slow))
    assert [answer.status for answer in answers] == [200, 200]


# -- sessions


def sticky(name: str, where: str, **words: str) -> Manifest:
    found = service(name, selector={"app": "web"})
    found["metadata"][where] = {f"istio.io/{key.replace('_', '-')}": value for key, value in words.items()}
    return found


async def test_sessions_by_cookie(mesh: Mesh) -> None:
    await mesh.apply(documents(sticky("cookies", "labels", persistent_session="sid")))
    met = set()
    for _ in range(12):
        first = await mesh.get("client", "http://cookies")
        given = SimpleCookie(first.headers["set-cookie"])["sid"]
        assert given["path"] == "/"
        again = await mesh.requests("client", "http://cookies", 5, headers={"Cookie": f'sid="{given.value}"'})
        assert {answer.pod for answer in again} == {first.pod}
        met.add(first.pod)
    assert len(met) > 1


async def test_sessions_by_cookie_with_a_path(mesh: Mesh) -> None:
    await mesh.apply(documents(sticky("paths", "annotations", persistent_session="sid:/shop")))
    assert "set-cookie" not in (await mesh.get("client", "http://paths/elsewhere")).headers
    given = SimpleCookie((await mesh.get("client", "http://paths/shop/1")).headers["set-cookie"])["sid"]
    assert given["path"] == "/shop"


async def test_sessions_by_header(mesh: Mesh) -> None:
    await mesh.apply(documents(sticky("headers", "labels", persistent_session_header="x-session")))
    first = await mesh.get("client", "http://headers")
    again = await mesh.requests("client", "http://headers", 20, headers={"x-session": first.headers["x-session"]})
    assert {answer.pod for answer in again} == {first.pod}


async def test_sessions_go_on_with_a_pod_on_its_way_out(mesh: Mesh) -> None:
    unselected = sticky("leaving", "labels", persistent_session="sid")
    del unselected["spec"]["selector"]

    def slice_of(*terminating: str) -> Manifest:
        metadata = {"name": "leaving-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "leaving"}}
        endpoints = [
            {
                "addresses": [mesh.ip(f"web-{version}")],
                "conditions": {"ready": version not in terminating, "terminating": version in terminating},
            }
            for version in ("v2", "v3")
        ]
        ports = [{"name": "http", "port": 8080}]
        kind = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata}
        return {**kind, "addressType": "IPv4", "endpoints": endpoints, "ports": ports}

    await mesh.apply(documents(unselected, slice_of()))
    first = await mesh.get("client", "http://leaving")
    cookie = SimpleCookie(first.headers["set-cookie"])["sid"].value
    await mesh.apply(documents(unselected, slice_of(first.pod.removeprefix("web-"))))
    headers = {"Cookie": f'sid="{cookie}"'}
    again = await mesh.requests("client", "http://leaving", 10, headers=headers)
    assert {answer.pod for answer in again} == {first.pod}
    others = shares(await mesh.requests("client", "http://leaving", 10), "pod")
    assert set(others) == {"web-v2", "web-v3"} - {first.pod}
