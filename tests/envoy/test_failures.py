"""What fails reaches the control plane, with real sidecars: why it failed, and no more of it than is good."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any
from uuid import uuid4

import pytest

from tests.envoy.manifests import destination_rule, documents, namespace, pod, service, to, virtual_service
from xds.failed.call import FailedCalls
from xds.failed.record import Record
from xds.server import FAILURES
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

PLAIT = (sys.executable, "-c", "from xds.cli import main; main()")
SENT = "access_logs.grpc_access_log.(logs_written|logs_dropped)"
FLOOD = 2000


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"), pod("client", account="client"), pod("web-v1"), service("web"), pod("api-v1"), service("api")
    )


async def told(mesh: Mesh, reporter: str, request_id: str = "") -> list[FailedCalls]:
    """What that proxy has told of, when it has told of anything."""
    failed = mesh.up.control_plane.failed

    async def so() -> bool:
        return bool(failed.lately((reporter,), request_id))

    await mesh.until(so, f"{reporter} tells of it")
    return failed.lately((reporter,), request_id)


def times(record: Record, reporter: str) -> int:
    """How many failures that proxy has told of."""
    return sum(kind.times for kind in record.lately(0.0, (reporter,)))


async def explained(mesh: Mesh, *words: str) -> Any:
    pipe = asyncio.subprocess.PIPE
    command = (*PLAIT, "explain", *words, "-o", "json", "--mesh", mesh.name)
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe)
    out, _ = await process.communicate()
    return json.loads(out)


async def test_what_goes_well_is_not_told(mesh: Mesh) -> None:
    before = [await mesh.stats(proxy, SENT) for proxy in ("client", "web-v1")]
    answers = await mesh.requests("client", "http://web/", 100)
    assert {answer.status for answer in answers} == {200}
    assert (await mesh.get("client", "http://web/?status=404")).status == 404
    assert [await mesh.stats(proxy, SENT) for proxy in ("client", "web-v1")] == before


async def test_a_request_is_found_by_its_id_with_the_field_that_decided(mesh: Mesh) -> None:
    await mesh.apply(documents(virtual_service("web", {"route": [to("web")], "timeout": "0.2s"})))
    number = str(uuid4())
    answer = await mesh.get("client", "http://web/slow?delay=1s", headers={"x-request-id": number})
    assert answer.status == 504
    (kind,) = await told(mesh, "shop/client", number)
    assert (kind.latest[0].outcome, kind.latest[0].details) == ("504 UT", "response_timeout")
    assert (kind.latest[0].path, kind.latest[0].upstream_pod) == ("/slow", "shop/web-v1")
    found = await explained(mesh, "--request-id", number)
    (lately,) = found["now"]["lately"]
    assert [each["object"] for each in lately["by"]] == ["VirtualService shop/web", "Pod shop/web-v1"]
    assert lately["by"][0]["field"] == "spec.http[0].timeout"
    assert ":" in lately["by"][0]["at"]


async def test_who_let_no_more_through(mesh: Mesh) -> None:
    pools = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}}
    await mesh.apply(documents(destination_rule("web", trafficPolicy={"connectionPool": pools})))
    answers = await mesh.requests("client", "http://web/?delay=300ms", 10, concurrency=10)
    assert 503 in {answer.status for answer in answers}
    await told(mesh, "shop/client")
    lately = (await explained(mesh, "shop/client", "http://web/"))["lately"]
    (overflow,) = [each for each in lately if "UO" in each["flags"]]
    assert [each["field"].rpartition(".")[2] for each in overflow["by"]] == [
        "http1MaxPendingRequests",
        "maxConnections",
    ]


async def test_a_flood_of_failures_is_cut_and_the_control_plane_does_not_mind(mesh: Mesh) -> None:
    record = mesh.up.control_plane.failed.record
    loop = asyncio.get_running_loop()
    began, proxies, before = loop.time(), ("client", "api-v1"), times(record, "shop/client")
    answers = await mesh.requests("client", "http://api/?status=500", FLOOD, concurrency=20)
    assert {answer.status for answer in answers} == {500}
    for proxy in proxies:
        await told(mesh, f"shop/{proxy}")
    # What it is told of is bounded, and it goes on with its work meanwhile.
    await mesh.apply(documents(virtual_service("api", {"route": [to("api")], "timeout": "9s"})))
    workers = [(await mesh.stats(proxy, "server.concurrency"))["server.concurrency"] for proxy in proxies]
    taken = sum(times(record, f"shop/{proxy}") for proxy in proxies) - before
    most = sum(workers) * (FAILURES.burst + FAILURES.entries_per_s * (loop.time() - began))
    assert 0 < taken <= most
