"""What is refused is sent to nobody: the last good version stays, all else goes on, and its author is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.objects import applied, written
from xds.api.envoy.config.route.v3.route_components_pb2 import VirtualHost
from xds.api.envoy.config.route.v3.route_pb2 import RouteConfiguration
from xds.decoders.build import Builder
from xds.generations.publication import Publication
from xds.judging.culprits import Culprits
from xds.judging.last_good import LastGood
from xds.judging.proving import Proving
from xds.model.proxy import Proxy
from xds.pipeline import Pipeline
from xds.prover.candidate import PROVABLE, PROVEN, Outcome, Verdict
from xds.proxies.presence import group_of
from xds.proxies.served import Served
from xds.server import SnapshotCache
from xds.wire.resource import Resource
from xds.wire.type_urls import ENDPOINT, ROUTE, VIRTUAL_HOST

SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.96.0.2, selector: {app: db}, ports: [{name: http, port: 80}]}
"""
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [%s], conditions: {ready: true}}]
"""
PROXY = Proxy("p", namespace="shop", name="client", vhds=True)
WITHOUT_VHDS = Proxy("q", namespace="shop", name="client", vhds=False)
HOST = "80/web.shop.svc.cluster.local:80"


def route(name: str, answer: str, host: str = "") -> str:
    spec = {"hosts": [host or name], "http": [{"directResponse": {"status": 200, "body": {"string": answer}}}]}
    metadata = {"name": name, "namespace": "shop"}
    return yaml.safe_dump(
        {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": spec}
    )


class Judge(Proving):
    """Refuses what has the word ``bad`` in it, when it may."""

    def __init__(self, kept: LastGood) -> None:
        super().__init__(None, kept)
        self.may = asyncio.Event()
        self.may.set()
        self.asked = 0

    def wanted(self, resource: Resource) -> bool:
        return resource.type_url in PROVABLE

    async def opinions(self, resources: Iterable[Resource]) -> dict[Resource, Verdict]:
        await self.may.wait()
        found = list(resources)
        self.asked += len(found)
        bad = Verdict(Outcome.REFUSED, "it is bad")
        return {each: bad if b"bad" in each.body else PROVEN for each in found}


class World:
    """A mesh that two proxies are served."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.judge = Judge(LastGood(folder / "last-good.json"))
        self.builder = Builder()
        applied(self.builder, written("---\n".join((SERVICES, SLICE % "10.1.0.1", *more))))
        self.pipeline = Pipeline(self.builder.snapshot, self.judge.wanted, self.judge.kept)
        self.cache = SnapshotCache()
        self.publication = Publication(self.pipeline, Served(self.cache, lambda proxy: ()), self.judge, lambda: None)
        self.blame = self.publication.blame(self.builder)

    async def connect(self) -> None:
        await self.publication.connect(PROXY)
        await self.publication.connect(WITHOUT_VHDS)

    async def apply(self, text: str) -> None:
        if not await self.publication.advance(applied(self.builder, written(text))):
            await self.publication.settled()

    def host(self, name: str = "web") -> VirtualHost:
        """The virtual host of a service, as proxies are sent it: by itself, and in the table, which are alike."""
        resources = self.cache.get(group_of(PROXY))
        assert resources is not None
        alone = resources.get(VIRTUAL_HOST, HOST.replace("web", name))
        others = self.cache.get(group_of(WITHOUT_VHDS))
        assert others is not None
        found = others.get(ROUTE, "80")
        assert alone is not None
        assert found is not None
        message = VirtualHost.FromString(alone.body)
        (inline,) = (
            each for each in RouteConfiguration.FromString(found.body).virtual_hosts if each.domains == message.domains
        )
        assert inline.routes[0].direct_response == message.routes[0].direct_response
        return message

    def says(self, name: str = "web") -> str:
        answer = self.host(name).routes[0].direct_response
        return answer.body.inline_string or str(answer.status)

    async def named(self) -> set[str]:
        return {str(problem.at.object) for problem in await self.blame()}


@pytest.fixture
async def world(tmp_path: Path) -> World:
    found = World(tmp_path)
    await found.connect()
    return found


async def test_the_last_good_version_stays_and_the_rest_goes_on(world: World) -> None:
    await world.apply(route("web", "one") + "---\n" + route("db", "one"))
    await world.apply(route("web", "bad") + "---\n" + route("db", "two"))
    assert (world.says("web"), world.says("db")) == ("one", "two")
    assert await world.named() == {"VirtualService shop/web"}
    await world.apply(route("db", "three"))
    assert (world.says("web"), world.says("db")) == ("one", "three")
    await world.apply(route("web", "two"))
    assert world.says("web") == "two"
    assert await world.named() == set()
    assert not world.pipeline.quarantine.refusals


async def test_without_a_good_version_requests_are_refused_and_nobody_else_s_host_takes_them(world: World) -> None:
    await world.apply(route("web", "bad"))
    assert world.says("web") == "503"
    assert await world.named() == {"VirtualService shop/web"}


async def test_a_proxy_that_comes_later_is_sent_what_is_good(world: World) -> None:
    await world.apply(route("web", "one"))
    await world.apply(route("web", "bad"))
    later = Proxy("later", namespace="shop", name="late", vhds=True)
    await world.publication.connect(later)
    resources = world.cache.get(group_of(later))
    assert resources is not None
    found = resources.get(VIRTUAL_HOST, HOST)
    assert found is not None
    assert b"one" in found.body


async def test_the_last_good_version_outlives_a_restart(world: World, tmp_path: Path) -> None:
    await world.apply(route("web", "one"))
    await world.apply(route("web", "bad"))
    assert kept(tmp_path) != "[]"
    restarted = World(tmp_path, route("web", "bad"))
    await restarted.connect()
    assert restarted.says("web") == "one"
    await restarted.apply(route("web", "bad again"))
    assert restarted.says("web") == "one"
    await restarted.apply(route("web", "two"))
    assert restarted.says("web") == "two"
    assert kept(tmp_path) == "[]"


async def test_several_bad_ones_are_named_each(world: World) -> None:
    await world.apply("---\n".join(route(name, "bad") for name in ("web", "db")))
    assert await world.named() == {"VirtualService shop/web", "VirtualService shop/db"}


async def test_endpoints_do_not_wait_for_the_judge(world: World) -> None:
    world.judge.may.clear()
    assert not await world.publication.advance(applied(world.builder, written(route("web", "one"))))
    settling = asyncio.create_task(world.publication.settled())
    await world.publication.advance(applied(world.builder, written(SLICE % "10.1.0.77")))
    resources = world.cache.get(group_of(PROXY))
    assert resources is not None
    (assignment,) = (table[name] for table in resources.of(ENDPOINT) for name in table if "web" in name)
    assert b"10.1.0.77" in assignment.body
    host = resources.get(VIRTUAL_HOST, HOST)
    assert host is not None
    assert b"one" not in host.body, "all else waits"
    world.judge.may.set()
    await settling
    assert world.says("web") == "one"


async def test_endpoints_that_go_stay_as_long_as_the_clusters_and_routes_that_name_them(world: World) -> None:
    world.judge.may.clear()
    (gone,) = [each.ref for each in written(SERVICES) if each.ref.name == "web"]
    changed = written(route("db", "one") + "---\n" + SLICE.replace("web", "db") % "10.1.0.2")
    assert not await world.publication.advance(applied(world.builder, changed, [gone]))
    resources = world.cache.get(group_of(PROXY))
    assert resources is not None
    assert resources.get(VIRTUAL_HOST, HOST) is not None
    found = {name: table[name].body for table in resources.of(ENDPOINT) for name in table}
    assert [b"10.1.0.1" in body for name, body in found.items() if "web" in name] == [True], "what went waits"
    assert [b"10.1.0.2" in body for name, body in found.items() if "db" in name] == [True], "what came does not"
    world.judge.may.set()
    await world.publication.settled()
    resources = world.cache.get(group_of(PROXY))
    assert resources is not None
    assert resources.get(VIRTUAL_HOST, HOST) is None
    assert not [name for table in resources.of(ENDPOINT) for name in table if "web" in name]


async def test_what_breaks_a_rule_is_not_even_asked_about(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.apply(route("web", "one"))
    asked = world.judge.asked
    monkeypatch.setattr("xds.generations.leaves.violations", _refusing(b"lawless"))
    await world.apply(route("web", "lawless"))
    assert world.says("web") == "one"
    assert world.judge.asked == asked


def kept(folder: Path) -> str:
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    return file.read_text()


def _refusing(word: bytes) -> Callable[[Any], tuple[Any, ...]]:
    return lambda message: ("it is lawless",) if word in message.SerializeToString() else ()


async def test_nothing_is_kept_that_nobody_uses(world: World) -> None:
    await world.apply(route("web", "one"))
    await world.apply(route("web", "bad"))
    await world.publication.disconnect(lambda: [PROXY, WITHOUT_VHDS])
    assert not world.pipeline.quarantine.refusals
    assert not world.pipeline.quarantine.candidates
    assert len(world.pipeline.graph) == 0


async def test_who_always_has_something_new_to_be_judged_holds_up_nobody(world: World) -> None:
    count = 0
    judged = world.judge.verdicts

    async def interrupted(resources: Iterable[Resource]) -> dict[Resource, Verdict]:
        nonlocal count
        count += 1
        await world.publication.advance(applied(world.builder, written(route("db", f"text {count}"))))
        return await judged(resources)

    world.judge.verdicts = interrupted  # type: ignore[method-assign]
    async with asyncio.timeout(20):
        await world.apply(route("web", "new"))
    assert world.says("web") == "new"


async def test_who_is_to_blame_is_looked_for_within_a_budget_and_in_turn(world: World) -> None:
    culprits = Culprits(world.pipeline.quarantine, world.builder, world.judge.opinions)
    await world.apply("---\n".join(route(name, "bad") for name in ("web", "db")))
    culprits._budget.spend(60)
    assert await culprits.problems() == ()
    assert culprits.later_s is not None
    culprits._budget.spend(-60)
    assert {each.at.object.name for each in await culprits.problems()} == {"web", "db"}
    assert culprits.later_s is None
