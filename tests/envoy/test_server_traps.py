"""The traps of reference/envoy-facts.md that touch the server, each with a real Envoy on a delta stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from tests.envoy.conftest import Launch
from tests.envoy.loopback import LoopbackEnvoy, backend, bootstrap, until
from tests.envoy.messages import (
    ads,
    bad_virtual_host,
    cluster,
    endpoints,
    extension,
    host,
    listener,
    lua,
    routes,
    virtual_host,
)
from xds.server import Answer, Node, Observer, Rejected, Resource, Server, ServerSettings, SnapshotCache
from xds.wire.type_urls import CLUSTER, ENDPOINT, ROUTE, VIRTUAL_HOST, short

pytestmark = pytest.mark.envoy


class Record(Observer):
    """What Envoy has answered, as (type, names) with a minus before what was refused or removed."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, list[str]]] = []
        self.nacks: list[str] = []

    def on_ack(self, node: Node, answer: Answer) -> None:
        names = [*answer.versions, *[f"-{name}" for name in answer.batch.removed]]
        self.answers.append((short(answer.type_url), names))

    def on_nack(self, node: Node, answer: Answer) -> None:
        self.nacks.append(answer.reason or "")
        self.answers.append((short(answer.type_url), [f"!{name}" for name in answer.versions]))

    def take(self) -> list[tuple[str, list[str]]]:
        found, self.answers = self.answers, []
        return found


class ControlPlane:
    """A server with one group, and a record of what was answered."""

    def __init__(self, settings: ServerSettings | None = None) -> None:
        self.record = Record()
        self.cache = SnapshotCache(observer=self.record, settings=settings)
        self.server = Server(self.cache)
        self.port = 0

    async def start(self, port: int = 0) -> None:
        self.port = self.server.add_plaintext(f"127.0.0.1:{port}")
        await self.server.start()

    async def serve(self, *resources: Resource) -> None:
        """Set these, and wait until they are acknowledged."""
        self.cache.set("test", resources)
        async with asyncio.timeout(20):
            await self.cache.acked("test")


@asynccontextmanager
async def control_plane(port: int = 0) -> AsyncIterator[ControlPlane]:
    plane = ControlPlane()
    await plane.start(port)
    try:
        yield plane
    finally:
        await plane.server.stop()


@pytest.fixture
async def plane() -> AsyncIterator[ControlPlane]:
    async with control_plane() as found:
        yield found


async def started(plane: ControlPlane, launch_envoy: Launch, resources: Iterable[Resource]) -> LoopbackEnvoy:
    """An Envoy that is LIVE with ``resources``."""
    plane.cache.set("test", resources)
    envoy = await launch_envoy(bootstrap(plane.port))
    await envoy.live()
    async with asyncio.timeout(20):
        await plane.cache.acked("test")
    return envoy


async def test_an_envoy_without_any_resource_is_live_at_once(plane: ControlPlane, launch_envoy: Launch) -> None:
    plane.cache.set("test", [])
    loop = asyncio.get_running_loop()
    start = loop.time()
    envoy = await launch_envoy(bootstrap(plane.port))
    await envoy.live()
    assert loop.time() - start < 10, "an unanswered wildcard request costs the fetch timeout, 15 s"


class TestVirtualHosts:
    async def test_one_by_one(self, plane: ControlPlane, launch_envoy: Launch) -> None:
        async with backend("one") as one, backend("two") as two:
            base = [cluster("c1"), cluster("c2"), endpoints("c1", one), endpoints("c2", two), listener("l", "rc")]
            base += [routes("rc", vhds=True)]
            a, b = virtual_host("rc/a", "a.x", "c1"), virtual_host("rc/b", "b.x", "c1")
            envoy = await started(plane, launch_envoy, [*base, a, b])
            await envoy.wait_for("l", "a.x", (200, "one"))
            await envoy.wait_for("l", "b.x", (200, "one"))
            plane.record.take()

            await plane.serve(*base, a, virtual_host("rc/b", "b.x", "c2"))
            assert plane.record.take() == [("vhds", ["rc/b"])]
            await envoy.wait_for("l", "b.x", (200, "two"))

            await plane.serve(*base, a)
            assert plane.record.take() == [("vhds", ["-rc/b"])]
            await envoy.wait_for("l", "b.x", (404, ""))

            await plane.serve(*base, a, virtual_host("rc/c", "b.x", "c1"))
            await envoy.wait_for("l", "b.x", (200, "one"))
            plane.record.take()
            await plane.serve(*base, a, virtual_host("rc/d", "b.x", "c2"))
            assert plane.record.take() == [("vhds", ["rc/d", "-rc/c"])], "a domain changes hands in one response"
            await envoy.wait_for("l", "b.x", (200, "two"))
            assert await envoy.rejections() == 0

    async def test_a_second_route_configuration_and_one_without_hosts(
        self, plane: ControlPlane, launch_envoy: Launch
    ) -> None:
        async with backend("one") as one:
            base = [cluster("c1"), endpoints("c1", one), listener("l", "rc"), routes("rc", vhds=True)]
            base += [virtual_host("rc/a", "a.x", "c1")]
            envoy = await started(plane, launch_envoy, base)
            more = [listener("m", "p/q"), routes("p/q", vhds=True), virtual_host("p/q/a", "a.x", "c1")]
            await plane.serve(*base, *more)
            await envoy.wait_for("m", "a.x", (200, "one"))
            empty = [listener("n", "empty"), routes("empty", vhds=True)]
            await plane.serve(*base, *more, *empty)
            await envoy.wait_for("n", "a.x", (404, ""))
            await plane.serve(*base, *more, *empty, virtual_host("empty/a", "a.x", "c1"))
            await envoy.wait_for("n", "a.x", (200, "one"))
            assert await envoy.rejections() == 0

    async def test_a_route_configuration_subscribed_to_again(self, plane: ControlPlane, launch_envoy: Launch) -> None:
        async with backend("one") as one:
            base = [cluster("c1"), endpoints("c1", one), listener("k", "keep"), routes("keep", vhds=True)]
            base += [virtual_host("keep/a", "a.x", "c1")]
            rest = [routes("rc", vhds=True), virtual_host("rc/a", "a.x", "c1")]
            envoy = await started(plane, launch_envoy, [*base, *rest, listener("l", "rc")])
            await envoy.wait_for("l", "a.x", (200, "one"))
            await plane.serve(*base, *rest)

            async def gone() -> bool:
                stream = next(iter(plane.cache.group("test").connections)).stream
                return "rc" not in stream.subscriptions[ROUTE].held.names

            await until(gone, "the route configuration is unsubscribed, the listener having drained")
            plane.record.take()
            await plane.serve(*base, *rest, listener("l", "rc"))
            start = asyncio.get_running_loop().time()
            await envoy.wait_for("l", "a.x", (200, "one"))
            assert asyncio.get_running_loop().time() - start < 14, "without its hosts it warms for 15 s"
            assert [what for what in plane.record.take() if what[0] != "lds"] == [("rds", ["rc"]), ("vhds", ["rc/a"])]

    async def test_one_bad_host_harms_only_itself_and_the_good_are_counted(
        self, plane: ControlPlane, launch_envoy: Launch
    ) -> None:
        async with backend("one") as one, backend("two") as two:
            base = [cluster("c1"), cluster("c2"), endpoints("c1", one), endpoints("c2", two), listener("l", "rc")]
            base += [routes("rc", vhds=True)]
            first = [virtual_host(f"rc/{name}", f"{name}.x", "c1") for name in "abc"]
            envoy = await started(plane, launch_envoy, [*base, *first])
            second = [virtual_host("rc/a", "a.x", "c2"), bad_virtual_host("rc/b", "b.x", "c2")]
            second += [virtual_host("rc/c", "c.x", "c2")]
            with pytest.raises(Rejected) as caught:
                await plane.serve(*base, *second)
            assert [rejection.resource.name for rejection in caught.value.rejections] == ["rc/b"]
            await envoy.wait_for("l", "a.x", (200, "two"))
            await envoy.wait_for("l", "b.x", (200, "one"))
            await envoy.wait_for("l", "c.x", (200, "two"))
            refused = len(plane.record.nacks)
            again = await launch_envoy(bootstrap(plane.port))
            await again.wait_for("l", "b.x", (200, "one"))
            await again.wait_for("l", "c.x", (200, "two"))
            assert len(plane.record.nacks) == refused, "what was refused is not sent again, also not to a new Envoy"


class TestEndpoints:
    async def test_they_follow_a_changed_cluster(self, plane: ControlPlane, launch_envoy: Launch) -> None:
        async with backend("one") as one:
            rest = [endpoints("c1", one), listener("l", "rc"), routes("rc", host("a", "*", "c1"))]
            envoy = await started(plane, launch_envoy, [cluster("c1"), *rest])
            plane.record.take()
            start = asyncio.get_running_loop().time()
            await plane.serve(cluster("c1", lb_policy="RANDOM"), *rest)

            async def warm() -> bool:
                stats = await envoy.stats(r"cluster_manager\.")
                return stats["cluster_manager.warming_clusters"] == 0 and stats["cluster_manager.cluster_modified"] == 1

            await until(warm, "the changed cluster is in use")
            assert asyncio.get_running_loop().time() - start < 14, "without its endpoints it warms for 15 s"
            assert sorted(plane.record.take()) == [("cds", ["c1"]), ("eds", ["c1"])]
            await envoy.wait_for("l", "a.x", (200, "one"))

    async def test_a_change_travels_alone(self, plane: ControlPlane, launch_envoy: Launch) -> None:
        async with backend("one") as one, backend("two") as two:
            rest = [cluster("c1"), cluster("c2"), endpoints("c2", one)]
            rest += [listener("l", "rc"), routes("rc", host("a", "*", "c1"))]
            envoy = await started(plane, launch_envoy, [*rest, endpoints("c1", one)])
            plane.record.take()
            await plane.serve(*rest, endpoints("c1", two))
            assert plane.record.take() == [("eds", ["c1"])]
            await envoy.wait_for("l", "a.x", (200, "two"))

    async def test_a_cluster_without_known_endpoints_warms_nothing(
        self, plane: ControlPlane, launch_envoy: Launch
    ) -> None:
        start = asyncio.get_running_loop().time()
        envoy = await started(plane, launch_envoy, [cluster("c1")])
        assert asyncio.get_running_loop().time() - start < 14, "without an answer it warms for 15 s"
        assert (await envoy.stats(r"cluster_manager\.warming"))["cluster_manager.warming_clusters"] == 0

    async def test_endpoints_that_go_are_gone(self, plane: ControlPlane, launch_envoy: Launch) -> None:
        async with backend("one") as one:
            rest = [cluster("c1"), listener("l", "rc"), routes("rc", host("a", "*", "c1"))]
            envoy = await started(plane, launch_envoy, [*rest, endpoints("c1", one)])
            await envoy.wait_for("l", "a.x", (200, "one"))
            await plane.serve(*rest)
            await envoy.wait_for("l", "a.x", (503, "no healthy upstream"))


async def test_a_route_to_a_new_cluster_waits_until_it_is_warm(plane: ControlPlane, launch_envoy: Launch) -> None:
    async with backend("one") as one, backend("two") as two:
        base = [cluster("c1"), endpoints("c1", one), listener("l", "rc")]
        envoy = await started(plane, launch_envoy, [*base, routes("rc", host("a", "*", "c1"))])
        await envoy.wait_for("l", "a.x", (200, "one"))
        plane.record.take()
        failures = []
        done = asyncio.Event()

        async def load() -> None:
            while not done.is_set():
                status, _ = await envoy.get("l", "a.x")
                if status != 200:
                    failures.append(status)

        running = asyncio.create_task(load())
        for number in range(10):
            new, port = f"n{number}", two if number % 2 else one
            await plane.serve(
                cluster(new), endpoints(new, port), listener("l", "rc"), routes("rc", host("a", "*", new))
            )
        done.set()
        await running
        assert failures == []
        await envoy.wait_for("l", "a.x", (200, "two"))
        names = [name for kind, found in plane.record.take() if kind == "cds" for name in found]
        assert "-c1" in names
        assert "-n8" in names
        assert await envoy.rejections() == 0


class TestOnDemand:
    """What a request makes Envoy ask for, and what it is told when that does not exist."""

    FILTER = "type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.OnDemand"

    async def test_an_unknown_host(self, plane: ControlPlane, launch_envoy: Launch) -> None:
        async with backend("one") as one:
            demand = {"name": "demand", "typed_config": {"@type": self.FILTER}}
            base = [cluster("c1"), endpoints("c1", one), listener("l", "rc", demand), routes("rc", vhds=True)]
            base += [virtual_host("rc/a", "a.x", "c1")]
            envoy = await started(plane, launch_envoy, base)
            await envoy.wait_for("l", "a.x", (200, "one"))
            async with asyncio.timeout(20):  # an unanswered one hangs
                assert await envoy.get("l", "b.x") == (404, "")
            await plane.serve(*base, virtual_host("rc/b", "b.x", "c1"))
            await envoy.wait_for("l", "b.x", (200, "one"))
            assert await envoy.rejections() == 0

    async def test_an_unknown_cluster(self, plane: ControlPlane, launch_envoy: Launch) -> None:
        async with backend("one") as one:
            config = {"@type": self.FILTER, "odcds": {"source": ads(), "timeout": "10s"}}
            wanted = {"match": {"prefix": "/"}, "route": {"cluster_header": "host"}}
            base = [listener("l", "rc", {"name": "demand", "typed_config": config})]
            base += [routes("rc", host("a", "*", "none", routes=[wanted]))]
            envoy = await started(plane, launch_envoy, base)
            for _ in range(2):
                async with asyncio.timeout(20):
                    assert (await envoy.get("l", "later"))[0] == 503
            await plane.serve(*base, cluster("later"), endpoints("later", one))
            await envoy.wait_for("l", "later", (200, "one"))
            assert await envoy.rejections() == 0


async def test_filter_configurations(plane: ControlPlane, launch_envoy: Launch) -> None:
    def answering(name: str, status: int) -> Resource:
        return lua(name, f'function envoy_on_request(h) h:respond({{[":status"] = "{status}"}}, "") end')

    lua_type = "envoy.extensions.filters.http.lua.v3.Lua"
    base = [listener("l", "rc", extension("f", lua_type)), routes("rc", host("a", "*", "none"))]
    envoy = await started(plane, launch_envoy, [*base, answering("f", 418)])
    await envoy.wait_for("l", "a.x", (418, ""))
    plane.record.take()
    await plane.serve(*base, answering("f", 419))
    assert plane.record.take() == [("ecds", ["f"])]
    await envoy.wait_for("l", "a.x", (419, ""))
    with pytest.raises(Rejected):
        await plane.serve(*base, lua("f", "this is no Lua"))
    assert await envoy.get("l", "a.x") == (419, "")
    await plane.serve(*base, answering("f", 420))
    await envoy.wait_for("l", "a.x", (420, ""))


async def test_a_bad_cluster_does_not_hide_the_good_ones(plane: ControlPlane, launch_envoy: Launch) -> None:
    """Envoy applies the good ones of a refused response but does not count them: they have to be sent again."""
    await started(plane, launch_envoy, [cluster("a")])
    bad = cluster("bad", lb_policy="CLUSTER_PROVIDED")
    with pytest.raises(Rejected) as caught:
        await plane.serve(cluster("a"), cluster("g1"), bad, cluster("g2"))
    assert [rejection.resource.name for rejection in caught.value.rejections] == ["bad"]
    counted = {name for kind, found in plane.record.take() if kind == "cds" for name in found}
    assert {"g1", "g2"} <= counted


class TestReconnect:
    async def test_a_restarted_server_sends_nothing_that_envoy_has(self, launch_envoy: Launch) -> None:
        async with backend("one") as one:
            everything = [cluster("c1"), endpoints("c1", one), listener("l", "rc"), listener("m", "inline")]
            everything += [routes("rc", vhds=True), virtual_host("rc/a", "a.x", "c1")]
            everything += [routes("inline", host("a", "*", "c1"))]
            async with control_plane() as plane:
                envoy = await started(plane, launch_envoy, everything)
                await envoy.wait_for("l", "a.x", (200, "one"))
            async with control_plane(plane.port) as second:
                await second.serve(*everything)

                async def all_types() -> bool:
                    connections = list(second.cache.group("test").connections)
                    return bool(connections) and {CLUSTER, ENDPOINT, ROUTE, VIRTUAL_HOST} <= set(
                        connections[0].stream.subscriptions
                    )

                await until(all_types, "Envoy has asked for all types")
                await second.serve(*everything)
                assert second.record.take() == []
                changed = [*everything[:-2], virtual_host("rc/a", "a.x", "none"), everything[-1]]
                await second.serve(*changed)
                assert second.record.take() == [("vhds", ["rc/a"])]
                assert await envoy.rejections() == 0

    async def test_what_changed_while_the_server_was_away(self, launch_envoy: Launch) -> None:
        async with backend("one") as one, backend("two") as two:
            base = [listener("l", "rc"), routes("rc", vhds=True), endpoints("c1", one)]
            before = [*base, cluster("c1"), cluster("c2"), endpoints("c2", one)]
            before += [virtual_host("rc/a", "a.x", "c1"), virtual_host("rc/b", "b.x", "c2")]
            async with control_plane() as plane:
                envoy = await started(plane, launch_envoy, before)
                await envoy.wait_for("l", "b.x", (200, "one"))
            async with control_plane(plane.port) as second:
                after = [*base, cluster("c1", lb_policy="RANDOM"), cluster("c3"), endpoints("c3", two)]
                after += [virtual_host("rc/a", "a.x", "c3")]
                second.cache.set("test", after)
                await envoy.wait_for("l", "a.x", (200, "two"))
                await envoy.wait_for("l", "b.x", (404, ""))

                async def removed() -> bool:
                    return "cluster.c2.membership_total" not in await envoy.stats(r"cluster\.c2\.membership_total")

                await until(removed, "the cluster that went meanwhile is removed")
                stats = await envoy.stats(r"cluster_manager\.warming")
                assert stats["cluster_manager.warming_clusters"] == 0
                assert await envoy.rejections() == 0


async def test_state_of_the_world(plane: ControlPlane, launch_envoy: Launch) -> None:
    async with backend("one") as one, backend("two") as two:
        rest = [cluster("c1"), endpoints("c1", one), listener("l", "rc")]
        plane.cache.set("test", [*rest, routes("rc", host("a", "*", "c1"))])
        envoy = await launch_envoy(bootstrap(plane.port, delta=False))
        await envoy.live()
        await envoy.wait_for("l", "a.x", (200, "one"))
        plane.record.take()
        more = [cluster("c2"), endpoints("c2", two), endpoints("c1", one)]
        await plane.serve(*more, listener("l", "rc"), routes("rc", host("a", "*", "c2")))
        await envoy.wait_for("l", "a.x", (200, "two"))
        start = asyncio.get_running_loop().time()
        await plane.serve(
            cluster("c2", lb_policy="RANDOM"), *more[1:], listener("l", "rc"), routes("rc", host("a", "*", "c2"))
        )

        async def warm() -> bool:
            stats = await envoy.stats(r"cluster_manager\.")
            return stats["cluster_manager.warming_clusters"] == 0 and stats["cluster_manager.cluster_modified"] > 0

        await until(warm, "the changed cluster is in use")
        assert asyncio.get_running_loop().time() - start < 14, "without its endpoints it warms for 15 s"
        assert plane.record.nacks == []
        assert await envoy.rejections() == 0
