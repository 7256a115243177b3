"""Rollouts of a mesh with two control planes: one first proxy in all, one verdict, and no change that slips through."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from tests.objects import made
from tests.unit.rollout.boards import MemoryBoard, Shared
from tests.unit.rollout.sidecars import WEB, Sidecar, running
from tests.unit.rollout.test_rollouts import MESH, RULE, Told, endpoints, istio, pod, rule
from xds.app import ControlPlane
from xds.model.object import Object
from xds.model.refs import ObjectRef
from xds.rollout.board import Board, Posted
from xds.rollout.held import State
from xds.rollout.signals import Counts
from xds.settings import Settings
from xds.sources.memory import MemorySource
from xds.wire.type_urls import CLUSTER

_PATIENCE_S = 60.0
OTHER = ObjectRef("networking.istio.io", "DestinationRule", "elsewhere", "web")


@dataclass
class Replica:
    """One control plane, and the sidecars that are connected to it."""

    control_plane: ControlPlane
    source: MemorySource
    sidecars: list[Sidecar]
    stack: AsyncExitStack


@dataclass
class Mesh:
    """Control planes by name, and what they share."""

    folder: Path
    objects: list[Object[Any]]
    settings: dict[str, Any]
    shared: Shared = field(default_factory=Shared)
    boards: Callable[[str, Shared], Board] = MemoryBoard
    told: Told = field(default_factory=Told)
    replicas: dict[str, Replica] = field(default_factory=dict)
    starts: int = 0

    async def start(self, name: str, *sidecars: Sidecar) -> Replica:
        self.starts += 1
        source, stack = MemorySource(objects=self.objects), AsyncExitStack()
        wanted = {"rollout_watch": timedelta(milliseconds=200), **self.settings}
        address, state = f"unix:{self.folder}/{name}-{self.starts}", self.folder / f"state-{self.starts}"
        settings = Settings(xds="", xds_plaintext=address, http="", prover="off", state_dir=state, **wanted)
        control_plane = ControlPlane(settings, [source], board=self.boards(name, self.shared))
        control_plane.rollouts.signals = self.told
        self.shared.leader = self.shared.leader or name
        self.shared.alive.add(name)
        await stack.enter_async_context(control_plane)
        await stack.enter_async_context(running(address, *sidecars))
        found = self.replicas[name] = Replica(control_plane, source, list(sidecars), stack)
        await self.until(lambda: all((CLUSTER, WEB) in each.held for each in sidecars))
        return found

    async def stop(self, name: str) -> list[Sidecar]:
        """End one; its sidecars, which know nothing any more."""
        gone = self.replicas.pop(name)
        self.shared.alive.discard(name)
        self.shared.said.pop(name, None)
        if self.shared.leader == name:
            self.shared.leader = next(iter(self.replicas), "")
        await gone.stack.aclose()
        return [Sidecar(each.name, each.address, each.labels) for each in gone.sidecars]

    def apply(self, *objects: Object[Any], deletes: Iterable[ObjectRef] = ()) -> None:
        refs = {*(each.ref for each in objects), *deletes}
        self.objects = [*(each for each in self.objects if each.ref not in refs), *objects]
        for each in self.replicas.values():
            each.source.apply(objects, deletes)

    @property
    def sidecars(self) -> list[Sidecar]:
        return [sidecar for each in self.replicas.values() for sidecar in each.sidecars]

    def with_timeout(self, seconds: int) -> list[Sidecar]:
        from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster

        found = [each for each in self.sidecars if (CLUSTER, WEB) in each.held]
        return [s for s in found if Cluster.FromString(s.held[CLUSTER, WEB]).connect_timeout.seconds == seconds]

    def states(self, ref: ObjectRef = RULE) -> list[State | None]:
        held = [each.control_plane.rollouts.held.get(ref) for each in self.replicas.values()]
        return [None if each is None else each.state for each in held]

    def reasons(self) -> set[str]:
        found = (each.control_plane.rollouts.held.get(RULE) for each in self.replicas.values())
        return {each.reason for each in found if each is not None}

    async def until(self, true: Callable[[], bool]) -> None:
        until = time.monotonic() + _PATIENCE_S
        while not true():
            assert time.monotonic() < until, (
                self.shared,
                [(each.control_plane.rollouts.standing, self.states()) for each in self.replicas.values()],
                [len(self.with_timeout(n)) for n in (1, 2, 3)],
            )
            await asyncio.sleep(0.02)

    async def until_all(self, seconds: int) -> None:
        await self.until(lambda: len(self.with_timeout(seconds)) == len(self.sidecars))


@asynccontextmanager
async def mesh(
    tmp_path: Path,
    *more: Object[Any],
    count: int = 30,
    boards: Callable[[str, Shared], Board] = MemoryBoard,
    shared: Shared | None = None,
    **settings: Any,
) -> AsyncIterator[Mesh]:
    """Two control planes, each with half of the sidecars; the first leads."""
    sidecars = [Sidecar(f"web-{n:02}", f"10.0.0.{n + 1}", {"app": "web"}) for n in range(count)]
    objects = [*map(made, yaml.safe_load_all(MESH)), *map(pod, sidecars), endpoints("10.0.0.1"), *more]
    found = Mesh(tmp_path, objects, settings, shared or Shared(), boards=boards)
    try:
        await found.start("a", *sidecars[::2])
        await found.start("b", *sidecars[1::2])
        yield found
    finally:
        for name in list(found.replicas):
            await found.stop(name)


def well(found: Mesh, *but: str) -> None:
    """All have requests, of which none fails but those of some."""
    found.told.by_name = {each.name: Counts(100, failed=90 * (each.name in but)) for each in found.sidecars}


async def test_one_proxy_of_the_whole_mesh_then_a_few_then_all(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), rollout_needs_traffic=True) as found:
        await found.until_all(1)
        found.apply(rule(2))
        most = 0

        def in_first_step() -> bool:
            nonlocal most
            most = max(most, len(found.with_timeout(2)))
            standing = found.replicas["a"].control_plane.rollouts.standing
            progress = None if standing is None else standing.progress
            return progress is not None and progress.phase.name == "WAITING"

        await found.until(in_first_step)
        assert most == 1 == len(found.with_timeout(2))
        assert found.states() == [State.ROLLING, State.ROLLING]
        well(found)
        await found.until_all(2)
        await found.until(lambda: found.states() == [None, None])
        # The first, a few, all, the end, and what is held back: not a post a second.
        assert found.shared.posts < 15


async def test_harm_that_one_sees_stops_all_and_the_reason_is_kept(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), rollout_watch=timedelta(seconds=90)) as found:
        await found.until_all(1)
        for each in found.sidecars:  # a connect timeout of 7 s, as a Duration
            each.refuses = lambda name, body: name == WEB and b"\x08\x07" in body
        found.apply(rule(7))
        await found.until(lambda: found.states() == [State.ABORTED, State.ABORTED])
        assert len(found.reasons()) == 1
        assert f"{WEB} is bad" in found.reasons().pop()
        await found.until_all(1)
        await found.until(lambda: not any(each.control_plane.rollouts.standing for each in found.replicas.values()))


async def test_figures_of_all_are_judged_together(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), count=2, rollout_watch=timedelta(seconds=90)) as found:
        await found.until_all(1)  # each has one: whoever is first can be compared with nobody of its control plane
        well(found)
        found.apply(rule(2))
        await found.until(lambda: bool(found.with_timeout(2)))
        well(found, found.with_timeout(2)[0].name)
        await found.until(lambda: found.states() == [State.ABORTED, State.ABORTED])
        assert found.reasons() == {"requests to web.shop.svc.cluster.local: 90.0% fail (90 of 100), elsewhere 0.0%"}
        await found.until_all(1)


async def test_the_next_leader_goes_on(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), rollout_needs_traffic=True) as found:
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 1)
        found.shared.leader = "b"
        await found.until(lambda: '"by":"b"' in (found.shared.posted.decision if found.shared.posted else ""))
        assert len(found.with_timeout(2)) == 1
        well(found)
        await found.until_all(2)
        await found.until(lambda: found.states() == [None, None])


async def test_a_dead_leader_is_followed_and_a_change_that_came_back_stays_back_over_restarts(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), count=4, rollout_watch=timedelta(seconds=90)) as found:
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 1)
        sidecars = await found.stop("a")
        assert found.states() == [State.ROLLING]
        await found.start("a", *sidecars)  # with nothing of its own: what it has is from the board
        assert len(found.with_timeout(2)) <= 1
        found.replicas["b"].control_plane.rollouts.abort([RULE])
        await found.until(lambda: found.states() == [State.ABORTED, State.ABORTED])
        await found.until_all(1)
        await found.until(lambda: found.shared.posted is not None and '"by":"b"' in found.shared.posted.decision)
        gone = [*await found.stop("a"), *await found.stop("b")]
        await found.start("c", *gone)
        assert found.with_timeout(1) == found.sidecars
        await found.until(lambda: found.states() == [State.ABORTED])
        assert found.reasons() == {"aborted by hand"}
        found.replicas["c"].control_plane.rollouts.promote([RULE])
        await found.until_all(2)


@dataclass
class AwayWhenOpened(MemoryBoard):
    """A board that is away as soon as it was read once."""

    opened: bool = False

    async def read(self) -> Posted | None:
        found = await super().read()
        self.shared.away, self.opened = self.shared.away or not self.opened, True
        return found


async def test_what_came_back_before_a_restart_is_known_from_its_beginning(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), count=4, rollout_watch=timedelta(seconds=90)) as found:
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 1)
        found.replicas["a"].control_plane.rollouts.abort([RULE])
        await found.until(lambda: found.states() == [State.ABORTED, State.ABORTED])
        await found.until(lambda: "aborted by hand" in (found.shared.posted.decision if found.shared.posted else ""))
        gone = [*await found.stop("a"), *await found.stop("b")]
        posted = found.shared.posted
        assert posted is not None
        # As it stands for a moment: decided, and the one who led has not heeded that itself.
        unheeded = gzip.compress(gzip.decompress(posted.held).replace(b'"aborted by hand"', b'""'))
        found.shared.posted, found.boards = replace(posted, held=unheeded), AwayWhenOpened
        await found.start("c", *gone)
        await found.until(lambda: found.states() == [State.ABORTED])
        assert (found.reasons(), found.shared.away) == ({"aborted by hand"}, True)
        assert found.with_timeout(1) == found.sidecars


async def test_a_change_that_waits_or_rolls_out_is_not_let_through_by_a_restart_of_all(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), count=6, rollout_watch=timedelta(seconds=90)) as found:
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 1)
        await found.until(lambda: found.shared.posted is not None and bool(found.shared.posted.held))
        gone = [*await found.stop("a"), *await found.stop("b")]
        await found.start("c", *gone[:3])
        await found.start("d", *gone[3:])
        await found.until(lambda: len(found.with_timeout(2)) == 1)  # it begins anew
        assert len(found.with_timeout(1)) == 5
        found.replicas["d"].control_plane.rollouts.promote([RULE])  # told to one that does not lead
        await found.until_all(2)
        await found.until(lambda: found.states() == [None, None])


async def test_without_the_board_nothing_begins_and_harm_is_stopped_all_the_same(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), rollout_watch=timedelta(seconds=90)) as found:
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 1)
        first = found.with_timeout(2)[0]
        found.shared.away = True
        found.apply(pod(first, ready=False))
        await found.until_all(1)
        found.shared.away = False
        await found.until(lambda: found.states() == [State.ABORTED, State.ABORTED])
        assert found.reasons() == {f"shop/{first.name} is not ready any more"}


async def test_who_edits_without_end_does_not_hold_others_back(tmp_path: Path) -> None:
    theirs = istio(OTHER, {"host": "no.where"})
    async with mesh(tmp_path, rule(1), count=4, rollout_watch=timedelta(seconds=90)) as found:
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 1)
        found.apply(theirs)
        found.apply(rule(3))
        await found.until(lambda: found.states(OTHER) == [None, None])
        await found.until(lambda: len(found.with_timeout(3)) == 1)


async def test_who_may_not_read_the_board_is_alone(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), count=4, shared=Shared(refused=True), rollout_needs_traffic=True) as found:
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 2)  # the first of each
        well(found)
        await found.until_all(2)
