"""No change, good or bad, costs a request: edits, pods that come and go and broken files, under steady load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import cycle, islice
from typing import Any

import pytest

from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    namespace,
    pod,
    service,
    subsets,
    to,
    virtual_service,
)
from xds.testing.answers import likely, shares
from xds.testing.mesh import Mesh
from xds.testing.pods import Load

WEB = "http://web/"
RATE, FAST = 300.0, 1000.0  # requests a second
CLIENTS = 24
EDITS = 10


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        pod("client"),
        pod("web-v1"),
        pod("web-v2"),
        service("web"),
        destination_rule("web", subsets=subsets("v1", "v2")),
    )


def unharmed(load: Load) -> bool:
    """Whether all was answered with 200, over the connections opened first."""
    assert load.failed == []
    assert load.connections == CLIENTS
    return True


async def goes_on(mesh: Mesh, load: Load) -> None:
    """Return when each client has had an answer to a request that it made from now on."""
    begun = len(load.answers)

    async def answered() -> bool:
        counted = Counter(answer.connection for answer in load.answers[begun:])
        return len(counted) >= CLIENTS and min(counted.values()) > 1  # the first may have been under way

    await mesh.until(answered, "the load goes on")


def split(v2: int, **more: Any) -> Manifest:
    return virtual_service("web", {"route": [to("web", "v1", 100 - v2), to("web", "v2", v2)], **more})


ROUTE_EDITS = (
    split(10),
    split(50, timeout="5s"),
    split(100, retries={"attempts": 2, "retryOn": "503"}),
    split(0, headers={"request": {"set": {"x-edit": "yes"}}}),
    virtual_service(
        "web", {"match": [{"headers": {"x-a": {}}}], "directResponse": {"status": 410}}, {"route": [to("web")]}
    ),
    split(30, fault={"delay": {"fixedDelay": "1ms", "percentage": {"value": 10}}}),
    split(30, corsPolicy={"allowOrigins": [{"exact": "https://a.example.com"}]}, mirror={"host": "web"}),
)


async def edited(mesh: Mesh, load: Load, edits: Iterable[str], count: int = EDITS) -> None:
    """Apply so many edits; the load meets each."""
    await goes_on(mesh, load)
    for edit in islice(edits, count):
        await mesh.apply(edit)
        await goes_on(mesh, load)


async def test_routes_edited_under_load(mesh: Mesh) -> None:
    async with mesh.load("client", WEB, FAST, concurrency=CLIENTS) as load:
        await edited(mesh, load, map(documents, cycle(ROUTE_EDITS)))
    assert unharmed(load)
    assert {"v1", "v2"} == shares(load.answers).keys()


RULES: tuple[dict[str, Any], ...] = (
    {"loadBalancer": {"simple": "ROUND_ROBIN"}},
    {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}},
    {"connectionPool": {"http": {"http1MaxPendingRequests": 1000}}},
    {"outlierDetection": {"consecutive5xxErrors": 3}},
    {},
)


async def test_destination_rules_edited_under_load(mesh: Mesh) -> None:
    edits = (
        documents(destination_rule("web", name="edited", subsets=subsets("v3"), trafficPolicy=policy))
        for policy in cycle(RULES)
    )
    async with mesh.load("client", WEB, RATE, concurrency=CLIENTS) as load:
        await edited(mesh, load, edits)
    assert unharmed(load)


async def test_services_come_and_go_under_load(mesh: Mesh) -> None:
    others = (documents(service(f"web-{number}", selector={"app": "web"})) for number in cycle(range(3)))
    async with mesh.load("client", WEB, RATE, concurrency=CLIENTS) as load:
        await edited(mesh, load, others, 6)
    assert unharmed(load)


async def test_a_new_port_under_load(mesh: Mesh) -> None:
    """A new port is a new listener; those that are there stay as they are."""
    ports = ({"name": "http", "port": 8080 + number} for number in cycle(range(4)))
    others = (documents(service("other", port, selector={"app": "web"})) for port in ports)
    async with mesh.load("client", WEB, RATE, concurrency=CLIENTS) as load:
        await edited(mesh, load, others, 6)
    assert unharmed(load)


async def test_pods_come_and_go_under_load(mesh: Mesh) -> None:
    third = pod("web-v3")
    async with mesh.load("client", WEB, RATE, concurrency=CLIENTS) as load:
        await mesh.apply(documents(third))
        await goes_on(mesh, load)
        await mesh.delete()
        await goes_on(mesh, load)
    assert unharmed(load)
    assert "v3" in shares(load.answers)


GOOD = documents(split(100))
BROKEN = {
    "syntax": GOOD.replace('"spec": {', '"spec": ['),
    "unknown-field": GOOD.replace('"weight"', '"wait"'),
    "wrong-type": GOOD.replace('"weight": 100', '"weight": "many"'),
    "no-such-kind": GOOD.replace("VirtualService", "VirtualServise"),
    "bad-regex": documents(virtual_service("web", {"match": [{"uri": {"regex": "a(b"}}], "route": [to("web", "v1")]})),
    "binary": "\0\1\2" + GOOD,
    "truncated": GOOD[: len(GOOD) // 2],
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_file_over_a_good_one(mesh: Mesh, kind: str) -> None:
    await mesh.apply(GOOD)
    async with mesh.load("client", WEB, RATE, concurrency=CLIENTS) as load:
        (mesh.folder / "extra.yaml").write_text(BROKEN[kind])

        async def found() -> bool:
            return any(at_file(str(problem.origin)) for problem in mesh.problems)

        def at_file(origin: str) -> bool:
            file, _, line = origin.rpartition(":")
            return file.endswith("extra.yaml") and line.isdecimal()

        await mesh.until(found, "a finding with file and line")
        await mesh.settled()
        await goes_on(mesh, load)
    assert unharmed(load)
    assert shares(load.answers).keys() == {"v2"}


async def test_the_repaired_file_holds_again(mesh: Mesh) -> None:
    await mesh.apply(GOOD)
    await mesh.apply(BROKEN["syntax"])
    await mesh.apply(documents(split(0)))
    assert shares(await mesh.requests("client", WEB, 50)) == {"v1": 50}

    async def no_findings() -> bool:
        return not mesh.problems

    await mesh.until(no_findings, "no finding left")


async def test_one_bad_object_harms_only_itself(mesh: Mesh) -> None:
    bad = virtual_service("web", {"route": [to("web", "v2")], "timeout": "soon"}, name="bad")
    good = virtual_service("other.example.com", {"directResponse": {"status": 418}}, name="good")
    await mesh.apply(documents(bad, good))
    found = await mesh.local.exec(mesh.pod("client"), ["getent", "ahostsv4", "web"])
    answer = await mesh.get("client", f"http://{found.stdout.split()[0]}/", headers={"Host": "other.example.com"})
    assert answer.status == 418
    counted = shares(await mesh.requests("client", WEB, 100))
    assert counted["v2"] in likely(100, 0.5)
