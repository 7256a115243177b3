"""What happens to requests that fail or last: retries, time-outs, injected faults."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    mesh_config,
    namespace,
    pod,
    service,
    to,
    virtual_service,
)
from xds.testing.answers import Answer, likely
from xds.testing.mesh import Mesh

WEB = "http://web"
# A pod that takes connections for nobody: what is sent to its port 8080 is refused.
CLOSED = """
import socket
server = socket.create_server(("", 9999))
while True:
    server.accept()
"""
SOON = timedelta(seconds=10)  # on a machine that is busy; what is to be cut short would last a minute


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("istio-system", inject=False),
        pod("client"),
        pod("web-v1"),
        service("web"),
        service("half", selector={"half": "yes"}),
        pod("good", labels={"half": "yes", "sidecar.istio.io/inject": "false"}),
        pod(
            "closed",
            labels={"half": "yes", "sidecar.istio.io/inject": "false"},
            ports="other:9999",
            command=["python3", "-c", CLOSED],
        ),
    )


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


_keys = itertools.count()


async def failing(mesh: Mesh, first: int, status: int = 503) -> Answer:
    """The answer to a request whose first tries the pod answers with that status."""
    return await mesh.get("client", f"{WEB}/?fail_first={first}&fail_status={status}&key=k{next(_keys)}")


async def routed(mesh: Mesh, *others: Manifest, host: str = "web", **route: Any) -> None:
    await mesh.apply(documents(virtual_service(host, {"route": [to(host)], **route}), *others))


# -- retries


async def test_answers_are_not_retried_unless_asked_for(mesh: Mesh) -> None:
    assert (await failing(mesh, 1)).status == 503
    await routed(mesh, timeout="10s")
    assert (await failing(mesh, 1)).status == 503


async def test_connections_that_fail_are_retried_elsewhere_by_default(mesh: Mesh) -> None:
    in_turn = {"loadBalancer": {"simple": "ROUND_ROBIN"}}  # picked at random, it would sometimes be the same six times
    await mesh.apply(documents(destination_rule("half", trafficPolicy=in_turn)), "rule.yaml")
    answers = await mesh.requests("client", "http://half/", 60)
    assert [answer.status for answer in answers] == [200] * 60
    assert {answer.pod for answer in answers} == {"good"}
    await routed(mesh, host="half", retries={"attempts": 0})
    statuses = [answer.status for answer in await mesh.requests("client", "http://half/", 100)]
    assert statuses.count(503) == 50


async def test_retries_of_server_errors(mesh: Mesh) -> None:
    await routed(mesh, retries={"attempts": 3, "retryOn": "5xx"})
    answer = await failing(mesh, 3)
    assert (answer.status, answer.echo["attempt"]) == (200, 4)
    assert (await failing(mesh, 4)).status == 503
    assert (await failing(mesh, 1, 500)).status == 200
    assert (await failing(mesh, 1, 404)).status == 404


RETRY_ON: dict[str, tuple[str, dict[int, int]]] = {
    "gateway-error": ("gateway-error", {502: 200, 504: 200, 500: 500}),
    "codes": ("503,418", {418: 200, 503: 200, 500: 500}),
    "mixed": ("connect-failure,429", {429: 200, 503: 503}),
    "retriable-4xx": ("retriable-4xx", {409: 200, 404: 404}),
    "nothing-said": ("", {503: 503}),
}


@pytest.mark.parametrize("kind", RETRY_ON)
async def test_retry_on(mesh: Mesh, kind: str) -> None:
    condition, wanted = RETRY_ON[kind]
    await routed(mesh, retries={"attempts": 2, "retryOn": condition})
    found = {status: (await failing(mesh, 1, status)).status for status in wanted}
    assert found == wanted


async def test_no_attempts_means_no_retries(mesh: Mesh) -> None:
    config = mesh_config(defaultHttpRetryPolicy={"attempts": 2, "retryOn": "503"})
    await mesh.apply(documents(config))
    assert (await failing(mesh, 2)).status == 200
    await routed(mesh, config, retries={"attempts": 0})
    assert (await failing(mesh, 1)).status == 503


async def test_per_try_timeout(mesh: Mesh) -> None:
    await routed(mesh, retries={"attempts": 2, "perTryTimeout": "250ms", "retryOn": "gateway-error"})
    answer = await mesh.get("client", f"{WEB}/slow-tries?delay=60s", timeout_s=60)
    assert answer.status == 504
    assert seconds(0.7) <= answer.elapsed < SOON
    assert (await mesh.get("client", f"{WEB}/?delay=50ms")).status == 200


async def test_backoff(mesh: Mesh) -> None:
    await routed(mesh, retries={"attempts": 2, "retryOn": "5xx", "backoff": "400ms"})
    elapsed = [(await failing(mesh, 2)).elapsed for _ in range(4)]
    # Envoy waits between nothing and the whole, so that only the sum of many says something: with its own 25 ms for 400
    # it stays below that.
    assert sum(elapsed, seconds(0)) > seconds(0.45)


# -- time-outs


async def test_no_timeout_unless_asked_for(mesh: Mesh) -> None:
    assert (await mesh.get("client", f"{WEB}/?delay=1.2s")).status == 200
    await routed(mesh, timeout="0s")
    assert (await mesh.get("client", f"{WEB}/?delay=1.2s")).status == 200


async def test_timeout(mesh: Mesh) -> None:
    await routed(mesh, timeout="300ms")
    answer = await mesh.get("client", f"{WEB}/?delay=60s", timeout_s=60)
    assert (answer.status, answer.body) == (504, "upstream request timeout")
    assert seconds(0.27) <= answer.elapsed < SOON
    assert (await mesh.get("client", WEB)).status == 200


async def test_timeout_bounds_all_tries(mesh: Mesh) -> None:
    await routed(mesh, timeout="500ms", retries={"attempts": 10, "perTryTimeout": "200ms", "retryOn": "gateway-error"})
    answer = await mesh.get("client", f"{WEB}/?delay=60s", timeout_s=60)
    assert answer.status == 504
    assert seconds(0.35) <= answer.elapsed < SOON


async def test_timeout_bounds_long_answers_too(mesh: Mesh) -> None:
    await routed(mesh, timeout="600ms")
    answer = await mesh.get("client", f"{WEB}/?chunks=600&every=100ms", timeout_s=60)
    assert "IncompleteRead" in answer.error
    assert answer.elapsed < SOON


# -- faults


async def test_delay(mesh: Mesh) -> None:
    await routed(mesh, fault={"delay": {"fixedDelay": "300ms", "percentage": {"value": 100}}})
    answers = await mesh.requests("client", WEB, 3)
    assert [answer.status for answer in answers] == [200] * 3
    assert all(seconds(0.27) <= answer.elapsed < SOON for answer in answers)


async def test_delay_of_a_share(mesh: Mesh) -> None:
    await routed(mesh, fault={"delay": {"fixedDelay": "500ms", "percentage": {"value": 20}}})
    before = await mesh.stats("client", "fault.delays_injected")
    answers = await mesh.requests("client", WEB, 200, concurrency=20)
    after = await mesh.stats("client", "fault.delays_injected")
    assert {answer.status for answer in answers} == {200}
    assert sum(after.values()) - sum(before.values()) in likely(200, 0.2)


async def test_abort(mesh: Mesh) -> None:
    await routed(mesh, fault={"abort": {"httpStatus": 418, "percentage": {"value": 100}}})
    answer = await mesh.get("client", WEB)
    assert (answer.status, answer.body) == (418, "fault filter abort")


@pytest.mark.parametrize("percent", [30, 0.5])
async def test_abort_of_a_share(mesh: Mesh, percent: float) -> None:
    await routed(mesh, fault={"abort": {"httpStatus": 500, "percentage": {"value": percent}}})
    statuses = [answer.status for answer in await mesh.requests("client", WEB, 1000, concurrency=4)]
    assert statuses.count(500) in likely(1000, percent / 100)
    assert statuses.count(500) + statuses.count(200) == 1000


async def test_fault_without_a_share_is_none(mesh: Mesh) -> None:
    await routed(mesh, fault={"abort": {"httpStatus": 500}})
    assert {answer.status for answer in await mesh.requests("client", WEB, 50)} == {200}


async def test_faults_of_one_route_only(mesh: Mesh) -> None:
    broken = {
        "match": [{"headers": {"x-user": {"exact": "tester"}}}],
        "fault": {
            "delay": {"fixedDelay": "200ms", "percentage": {"value": 100}},
            "abort": {"httpStatus": 503, "percentage": {"value": 100}},
        },
        "route": [to("web")],
    }
    await mesh.apply(documents(virtual_service("web", broken, {"route": [to("web")]})))
    tester = await mesh.get("client", WEB, headers={"x-user": "tester"})
    assert tester.status == 503
    assert tester.elapsed >= seconds(0.18)
    assert (await mesh.get("client", WEB)).status == 200
