"""What security costs while nothing else changes: policies that are edited, certificates that are renewed, a new root.

All sidecars are secured and connected; 200 of them, or all where there are fewer, are in one namespace.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from bench import control_plane
from bench.control_plane import Server
from bench.figures import BYTES, CPU, HELD, LAST, POLICY, RENEWAL, ROOT, ROOT_POLICY, WALL, Figure
from bench.fleet import BenchmarkFailed, Fleet, Traffic
from bench.mesh import ROOT_NAMESPACE, Mesh, Pod, Size
from bench.scenarios import Plan, Say
from xds.wire import type_urls as t

SECURITY: Final = (POLICY, ROOT_POLICY, ROOT, RENEWAL)
_TOGETHER: Final = 200  # sidecars in the namespace whose policy is edited
_NAMESPACE: Final = 1
_EXTENSIONS: Final = frozenset({t.EXTENSION})
_SHORT: Final = timedelta(minutes=1)  # such certificates are renewed after 27 to 33 s
_NOT_BEFORE_S: Final = 25.0  # to look at the loop costs processor time too
_LOOK_AGAIN_S: Final = 0.2
_MOST_EACH: Final = 2  # filters that one policy is in: that of HTTP, that of TCP


@dataclass(slots=True)
class Measured:
    """The repeats of one scenario: seconds, bytes, and what each affected sidecar was sent."""

    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    clock: list[float] = field(default_factory=list)
    bytes: list[float] = field(default_factory=list)
    each: list[float] = field(default_factory=list)
    streams: list[float] = field(default_factory=list)


class Security:
    """All of these scenarios with one number of sidecars."""

    def __init__(self, plan: Plan, mesh: Mesh, sidecars: int, say: Say) -> None:
        self._plan = plan
        self._mesh = mesh
        self._say = say
        here = mesh.pods_in(_NAMESPACE, min(_TOGETHER, sidecars))
        self._together = here[0].namespace
        names = {pod.name for pod in here}
        others = [pod for pod in mesh.pods(2 * sidecars) if pod.namespace != self._together and pod.name not in names]
        self._here = len(here)
        self._pods = [*here, *others[: sidecars - len(here)]]
        self._log = plan.folder / f"security-{sidecars}.log"

    async def figures(self) -> list[Figure]:
        """Run those that the plan names; the lines of the table. BenchmarkFailed when one sends what it need not."""
        found: list[Measured] = []
        async with Fleet() as fleet:
            if self._plan.only & {POLICY, ROOT_POLICY}:
                found += await self._policies(fleet)
            if ROOT in self._plan.only:
                found.append(await self._roots(fleet))
            if RENEWAL in self._plan.only:
                found.append(await self._renewal(fleet))
        return [line for each in found for line in self._lines(each)]

    async def _policies(self, fleet: Fleet) -> list[Measured]:
        found = [Measured(name) for name in (POLICY, ROOT_POLICY) if name in self._plan.only]
        async with control_plane.secured(self._mesh.folder, self._log) as server:
            self._plan.started(server.pid)
            await self._connect(fleet, server, self._pods)
            for each in found:
                for _ in range(self._plan.change_repeats):
                    await self._policy(fleet, server, each)
            await fleet.close()
        return found

    @staticmethod
    async def _connect(fleet: Fleet, server: Server, pods: list[Pod]) -> None:
        await fleet.connect(server.target, await control_plane.proven(server, pods), "delta")

    async def _roots(self, fleet: Fleet) -> Measured:
        """A mesh of as many pods as there are sidecars: one that is not connected would hold the old root."""
        into, count = Measured(ROOT), len(self._pods)
        mesh = Mesh(self._plan.folder / f"mesh-roots-{count}", Size(count, 1, secured=True))
        mesh.write()
        async with control_plane.secured(mesh.folder, self._log) as server:
            await self._connect(fleet, server, mesh.all_pods())
            for _ in range(self._plan.cold_repeats):
                await self._new_root(fleet, server, into)
            await fleet.close()
        return into

    async def _policy(self, fleet: Fleet, server: Server, into: Measured) -> None:
        namespace, affected = self._together, self._here
        if into.name == ROOT_POLICY:
            namespace, affected = ROOT_NAMESPACE, len(self._pods)
        await fleet.settled()
        path = self._mesh.edit_policy(namespace)
        await fleet.watch((_EXTENSIONS, path), namespace="" if into.name == ROOT_POLICY else namespace)
        before, began = await self._begin(server)
        self._mesh.publish()
        into.wall.append((await fleet.reached()).last - began)
        traffic = await self._end(fleet, server, into, before)
        into.streams.append(traffic.streams[t.EXTENSION])
        into.each.append(traffic.resources[t.EXTENSION] / affected)
        if set(traffic.streams) != {t.EXTENSION} or traffic.streams[t.EXTENSION] != affected:
            raise BenchmarkFailed(f"{into.name}: {affected} sidecars are affected, were sent {dict(traffic.streams)}")
        if into.each[-1] > _MOST_EACH:
            raise BenchmarkFailed(f"{into.name}: {into.each[-1]} filters for each sidecar")

    async def _new_root(self, fleet: Fleet, server: Server, into: Measured) -> None:
        """Both roots to all, new certificates for all at once, the old root gone."""
        await fleet.settled()
        before, began = await self._begin(server)
        await control_plane.ask(server, "new-root")
        await control_plane.ask(server, "rooted")
        into.wall.append(time.monotonic() - began)
        traffic = await self._end(fleet, server, into, before)
        into.streams.append(traffic.streams[t.SECRET])
        into.each.append(traffic.resources[t.SECRET] / len(self._pods))

    async def _renewal(self, fleet: Fleet) -> Measured:
        """All have certificates of a minute, made within a few seconds: each is renewed once."""
        into, renewed, size = Measured(RENEWAL), 0, 0
        async with control_plane.secured(self._mesh.folder, self._log, _SHORT) as server:
            began = time.monotonic()
            await self._connect(fleet, server, self._pods)
            await fleet.settled()
            await asyncio.sleep(max(0.0, began + _NOT_BEFORE_S - time.monotonic()))
            before, _ = await self._begin(server)
            while renewed < len(self._pods):
                came = await fleet.settled()
                renewed, size = renewed + came.resources[t.SECRET], size + came.total
                await asyncio.sleep(_LOOK_AGAIN_S)
            await self._end(fleet, server, into, before)
            into.bytes[-1] += size
            into.each.append(renewed / len(self._pods))
            await fleet.close()
        return into

    async def _begin(self, server: Server) -> tuple[float, float]:
        await control_plane.ask(server, "watch")
        return server.usage().cpu, time.monotonic()

    async def _end(self, fleet: Fleet, server: Server, into: Measured, before: float) -> Traffic:
        traffic = await fleet.settled()
        held = await control_plane.ask(server, "held")
        into.held.append(held["own"])
        into.clock.append(held["clock"])
        into.cpu.append(server.usage().cpu - before)
        into.bytes.append(traffic.total)
        kinds = ", ".join(f"{t.short(url)} {count}" for url, count in sorted(traffic.resources.items()))
        wall = f"{into.wall[-1] * 1000:.0f} ms" if into.wall else "-"
        self._say(
            f"{len(self._pods)} secured sidecars: {into.name} {wall}, CPU {into.cpu[-1] * 1000:.0f} ms, "
            f"loop held {held['own'] * 1000:.1f} ms ({held['clock'] * 1000:.1f} ms by the clock), "
            f"{traffic.total / 1e6:.2f} MB; {kinds}"
        )
        return traffic

    def _lines(self, of: Measured) -> list[Figure]:
        last = LAST if of.name in {POLICY, ROOT_POLICY} else WALL
        values: list[tuple[str, str, list[float]]] = [
            (last, "s", of.wall),
            (CPU, "s", of.cpu),
            (HELD, "s", of.held),
            ("the same by the clock", "s", of.clock),
            (BYTES, "B", of.bytes),
            ("resources each", "", of.each),
            ("sidecars sent any", "", of.streams),
        ]
        count = len(self._pods)
        return [Figure(of.name, count, what, unit, tuple(each), secured=True) for what, unit, each in values if each]


async def run(plan: Plan, mesh: Mesh, sidecars: int, say: Callable[[str], None]) -> list[Figure]:
    """The figures of the scenarios of security in ``plan``. BenchmarkFailed: a stream failed, or too much was sent."""
    return await Security(plan, mesh, sidecars, say).figures()
