"""The scenarios: what is done to the control plane, what is measured, and the same bytes by the bare broadcast."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bench import control_plane
from bench.broadcast import pack
from bench.control_plane import Server
from bench.figures import BYTES, COLD, CPU, ENDPOINT, LAST, MEMORY, ROUTE, RSS, SERVICE, WALL, Figure
from bench.fleet import BenchmarkFailed, Fleet, Moments
from bench.mesh import Mesh
from bench.real_envoy import Envoy, envoys
from xds.wire import type_urls as t

Markers = tuple[tuple[frozenset[str], str], ...]
Say = Callable[[str], None]

_CLUSTERS: Final = frozenset({t.CLUSTER})
_ENDPOINTS: Final = frozenset({t.ENDPOINT})
_ROUTES: Final = frozenset({t.ROUTE, t.VIRTUAL_HOST})
CHANGES: Final = (ENDPOINT, ROUTE, SERVICE)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: scenarios, repeats, the protocol, how many real Envoys stand beside the simulated sidecars."""

    folder: Path
    only: frozenset[str] = frozenset({COLD, ENDPOINT, ROUTE, SERVICE, MEMORY})
    kind: str = "delta"
    cold_repeats: int = 3
    change_repeats: int = 5
    real_envoys: int = 1
    started: Callable[[int], None] = lambda pid: None  # told each control plane's process id


@dataclass(slots=True)
class Change:
    """One kind of change: seconds until the first and the last stream had it, bytes to all, messages to one."""

    name: str
    first: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    broadcast_first: list[float] = field(default_factory=list)
    broadcast_last: list[float] = field(default_factory=list)
    broadcast_cpu: list[float] = field(default_factory=list)
    sent: list[tuple[list[bytes], Markers]] = field(default_factory=list)


@dataclass(slots=True)
class Cold:
    """Cold syncs: seconds, server processor seconds, bytes to all, resident bytes, and the messages to one stream."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)


class Run:
    """All scenarios with one number of sidecars."""

    def __init__(self, plan: Plan, mesh: Mesh, sidecars: int, say: Say) -> None:
        self._plan = plan
        self._mesh = mesh
        self._say = say
        pods = mesh.pods(sidecars + plan.real_envoys)
        self._pods, self._real = pods[:sidecars], pods[sidecars:]
        self._cold, self._bare_cold = Cold(), Cold()
        self._changes = [Change(name) for name in CHANGES if name in plan.only]
        self._secured = mesh.size.secured
        self._log = plan.folder / f"{'secured' if self._secured else 'plait'}-{sidecars}.log"
        self._folder = plan.folder / f"envoys-{self._log.stem}"
        self._folder.mkdir()

    async def figures(self) -> list[Figure]:
        """Run everything; the lines of the table."""
        async with Fleet() as fleet:
            for _ in range(self._plan.cold_repeats - 1):
                async with self._control_plane() as server:
                    await self._sync(fleet, server, self._cold, self._plan.kind)
                    await fleet.close()
            await self._with_changes(fleet)
            await self._reference(fleet)
        return self._lines()

    async def _with_changes(self, fleet: Fleet) -> None:
        async with self._control_plane() as server:
            self._plan.started(server.pid)
            self._tell(f"ready in {server.started_s:.1f} s")
            await self._sync(fleet, server, self._cold, self._plan.kind)
            pods = await control_plane.proven(server, self._real) if self._secured else self._real
            async with envoys(pods, server.target, self._folder) as real:
                await fleet.settled()
                for change in self._changes:
                    for _ in range(self._plan.change_repeats):
                        await self._change(fleet, server, change)
                    await self._arrived(real, change)
                self._cold.rss.append(server.usage().rss + server.usage().children_rss)
                await self._no_rejection(real)
            await fleet.close()

    def _control_plane(self) -> AbstractAsyncContextManager[Server]:
        start = control_plane.secured if self._secured else control_plane.plait
        return start(self._mesh.folder, self._log)

    async def _sync(self, fleet: Fleet, server: Server, cold: Cold, kind: str) -> None:
        proving = self._secured and kind != "bare"
        pods = await control_plane.proven(server, self._pods) if proving else self._pods
        before, theirs, began = server.usage(), fleet.cpu(), time.monotonic()
        moments = await fleet.connect(server.target, pods, kind, len(self._cold.sent))
        traffic = await fleet.settled()
        after = server.usage()
        cold.wall.append(moments.last - began)
        cold.cpu.append(after.cpu - before.cpu)
        cold.total.append(traffic.total)
        cold.rss.append(after.rss + after.children_rss)
        cold.sent = await fleet.recorded()
        kinds = ", ".join(f"{t.short(url)} {size / 1e6:.1f} MB" for url, size in sorted(traffic.bytes.items()))
        self._tell(
            f"{kind} cold in {cold.wall[-1]:.2f} s, server CPU {cold.cpu[-1]:.2f} s, "
            f"clients' {fleet.cpu() - theirs:.2f} s; {kinds}"
        )

    async def _change(self, fleet: Fleet, server: Server, change: Change) -> None:
        await fleet.settled()
        await fleet.recorded()
        markers, edit = self._edit(change.name)
        await fleet.watch(*markers)
        before, began = server.usage(), time.monotonic()
        edit()
        moments = await fleet.reached()
        traffic = await fleet.settled()
        _note(moments, began, change.first, change.last)
        change.cpu.append(server.usage().cpu - before.cpu)
        change.total.append(traffic.total)
        change.sent.append((await fleet.recorded(), markers))
        kinds = ", ".join(f"{t.short(url)} {count}" for url, count in sorted(traffic.responses.items()))
        self._tell(
            f"{change.name} first {change.first[-1] * 1000:.0f} ms, last "
            f"{change.last[-1] * 1000:.0f} ms, CPU {change.cpu[-1] * 1000:.0f} ms, {traffic.total / 1e6:.2f} MB; "
            f"{kinds}"
        )

    def _edit(self, name: str) -> tuple[Markers, Callable[[], None]]:
        # The file is made ready beforehand; only its appearance is timed.
        if name == ENDPOINT:
            address = self._mesh.edit_endpoint()
            return ((_ENDPOINTS, address),), self._mesh.publish
        if name == ROUTE:
            return ((_ROUTES, self._mesh.edit_route()),), self._mesh.publish
        host, address = self._mesh.add_service()
        return ((_CLUSTERS, host), (_ENDPOINTS, address), (_ROUTES, host)), self._mesh.publish

    async def _reference(self, fleet: Fleet) -> None:
        for turn in range(self._plan.cold_repeats):
            async with control_plane.broadcast(self._cold.sent, self._plan.folder, unix=self._secured) as server:
                await self._sync_bare(fleet, server)
                if turn == self._plan.cold_repeats - 1:
                    for change in self._changes:
                        for messages, markers in change.sent:
                            await self._send_bare(fleet, server, change, messages, markers)
                await fleet.close()

    async def _sync_bare(self, fleet: Fleet, server: Server) -> None:
        sent = self._cold.sent
        await self._sync(fleet, server, self._bare_cold, "bare")
        self._cold.sent = sent

    async def _send_bare(
        self, fleet: Fleet, server: Server, change: Change, messages: list[bytes], markers: Markers
    ) -> None:
        path = self._plan.folder / "change.messages"
        pack(messages, path)
        await fleet.settled()
        await fleet.watch(*markers)
        before, began = server.usage(), time.monotonic()
        await control_plane.send(server, path)
        _note(await fleet.reached(), began, change.broadcast_first, change.broadcast_last)
        await fleet.settled()
        change.broadcast_cpu.append(server.usage().cpu - before.cpu)

    async def _arrived(self, real: list[Envoy], change: Change) -> None:
        """The last change has come to the real Envoys too."""
        if change.name == ENDPOINT:
            ((_, address),) = change.sent[-1][1]
            for envoy in real:
                await envoy.has_endpoint(address)

    async def _no_rejection(self, real: list[Envoy]) -> None:
        refused = control_plane.rejections(self._log)
        for envoy in real:
            if found := await envoy.rejected():
                raise BenchmarkFailed(f"a real Envoy refused updates: {found}; the control plane's log: {refused[:3]}")
        if real:
            self._tell(f"{len(real)} real Envoy took everything")

    def _tell(self, what: str) -> None:
        self._say(f"{len(self._pods)} {'secured ' if self._secured else ''}sidecars: {what}")

    def _lines(self) -> list[Figure]:
        count, cold, bare = len(self._pods), self._cold, self._bare_cold
        lines: list[Figure] = []
        if COLD in self._plan.only:
            lines.append(Figure(COLD, count, WALL, "s", tuple(cold.wall), tuple(bare.wall)))
            lines.append(Figure(COLD, count, CPU, "s", tuple(cold.cpu), tuple(bare.cpu)))
            lines.append(Figure(COLD, count, BYTES, "B", tuple(cold.total), tuple(bare.total)))
        for each in self._changes:
            lines.append(Figure(each.name, count, LAST, "s", tuple(each.last), tuple(each.broadcast_last)))
            lines.append(Figure(each.name, count, "to the first", "s", tuple(each.first), tuple(each.broadcast_first)))
            lines.append(Figure(each.name, count, CPU, "s", tuple(each.cpu), tuple(each.broadcast_cpu)))
            lines.append(Figure(each.name, count, BYTES, "B", tuple(each.total)))
        if MEMORY in self._plan.only:
            lines.append(Figure(MEMORY, count, RSS, "B", tuple(cold.rss), tuple(bare.rss)))
        return [replace(line, secured=self._secured) for line in lines]


def _note(moments: Moments, began: float, first: list[float], last: list[float]) -> None:
    first.append(moments.first - began)
    last.append(moments.last - began)


async def run(plan: Plan, mesh: Mesh, sidecars: int, say: Say) -> list[Figure]:
    """The figures of all scenarios with ``sidecars`` simulated sidecars. BenchmarkFailed when a stream fails."""
    return await Run(plan, mesh, sidecars, say).figures()
