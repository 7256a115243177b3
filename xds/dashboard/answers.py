"""Answers about a running mesh, worked out in a thread from a snapshot, so that no stream waits for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from xds.controllers.live_count import LiveCount
from xds.dashboard.asked import MOST_CALLERS, Behind, MayCall
from xds.explain.arrivals import Arrival, arrivals
from xds.failure import Failure
from xds.findings import Findings
from xds.model.problem import Problem
from xds.model.refs import ObjectRef, Origin
from xds.model.service import Service
from xds.model.snapshot import Snapshot, Table
from xds.model.workload import Workload
from xds.proxies.live import Live
from xds.server import SnapshotCache
from xds.sources.store import ObjectStore
from xds.view.filters import attached
from xds.view.graph import Graph, call
from xds.view.mutual_tls import mtls
from xds.why.mesh import Failures, KnownMesh, no_failures
from xds.why.question import Question, explained
from xds.why.target import Candidate

_ROUTER: Final = "router~"
_LIVE_S: Final = 2.0  # several who look at once see the same counts
_MOST_WAITING: Final = 8
_SECURITY: Final = "security.istio.io"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Generation:
    """One generation of the mesh, and what was made of it for answers: not the pipeline's, which is of the loop."""

    known: KnownMesh
    graph: Graph


class Answers:
    """Answers ``dashboard.asked.Asked``, from the cache, the store and the newest snapshot."""

    def __init__(
        self, cache: SnapshotCache, store: ObjectStore, findings: Findings, snapshot: Callable[[], Snapshot]
    ) -> None:
        self.failures: Failures = no_failures
        """Who knows what failed lately; asked in other threads."""

        self._cache = cache
        self._store = store
        self._findings = findings
        self._snapshot = snapshot
        self._live = Live(cache)
        self._counting = asyncio.Lock()
        self._counts: tuple[float, Mapping[ObjectRef, LiveCount]] = (0.0, {})
        self._waiting = 0
        self._turn = asyncio.Lock()  # others need threads too
        self._generation: _Generation | None = None

    def services(self) -> Iterable[Service]:
        """The services that calls to their host reach, by host."""
        snapshot = self._snapshot()
        return [snapshot.rows(Table.HOST, host)[0] for host in sorted(snapshot.keys(Table.HOST))]

    def origin(self, ref: ObjectRef) -> str:
        """Where an object was read; ``""`` when it is gone."""
        return self._store.where(ref)

    async def live_counts(self) -> Mapping[ObjectRef, LiveCount]:
        """On how many proxies each object is live."""
        async with self._counting:
            if time.monotonic() - self._counts[0] > _LIVE_S:
                counts = await self._live.counts()
                self._counts = (time.monotonic(), counts)
        return self._counts[1]

    async def behind(self, service: Service) -> Sequence[Behind]:
        """The workloads that calls to the service come to."""
        return await self._in_thread(lambda of: _behind(of.graph, service))

    async def callers(self, service: Service, port: int) -> Sequence[MayCall]:
        """What becomes of a ``GET /`` of each workload to the service; of ``MOST_CALLERS`` at most."""
        return await self._in_thread(lambda of: _callers(of, f"{service.hostname}:{port}"))

    async def explain(self, question: Question) -> Mapping[str, Any]:
        """What becomes of a call; JSON types. Errors: Failure."""
        return await self._in_thread(
            lambda of: explained(question, replace(of.known, failures=self.failures), of.graph)
        )

    async def _in_thread(self, answer: Callable[[_Generation], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise Failure(f"{_MOST_WAITING} others are waiting for an answer; ask again in a moment")
        self._waiting += 1
        try:
            async with self._turn:
                snapshot, newest = self._snapshot(), self._generation
                if newest is None or newest.known.snapshot is not snapshot:
                    newest = await asyncio.to_thread(self._made, snapshot, self._routers(), self._findings.problems)
                self._generation = newest
                return await asyncio.to_thread(answer, newest)
        finally:
            self._waiting -= 1

    def _made(self, snapshot: Snapshot, routers: frozenset[str], problems: Iterable[Problem]) -> _Generation:
        """A generation of which nothing is made yet; what is stays until a question comes after a newer one."""
        pods = list(_pods(snapshot))
        gateways = frozenset((pod.namespace, pod.name) for pod in pods if pod.label in routers)
        return _Generation(KnownMesh(snapshot, pods, gateways, self._origin_of, problems), Graph(snapshot))

    def _routers(self) -> frozenset[str]:
        """The connected gateways, as ``pod.namespace``."""
        ids = (status.node.id for status in self._cache.statuses())
        return frozenset(node.split("~")[2] for node in ids if node.startswith(_ROUTER) and node.count("~") == 3)

    def _origin_of(self, ref: ObjectRef) -> Origin | None:
        found = self._store.get(ref)
        return found.origin if found is not None else None


def _pods(snapshot: Snapshot) -> Iterable[Candidate]:
    for key in snapshot.keys(Table.WORKLOAD):
        for workload in snapshot.rows(Table.WORKLOAD, key)[:1]:
            yield Candidate(workload.namespace, workload.ref.name, workload.owner, workload.owner_kind)


def _callers(of: _Generation, destination: str) -> Sequence[MayCall]:
    """One answer a workload, by its first pod."""
    pods: dict[tuple[str, str], Candidate] = {}
    for pod in sorted(each for each in of.known.pods if (each.namespace, each.name) not in of.known.routers):
        pods.setdefault((pod.namespace, pod.workload_name), pod)
    found = list[MayCall]()
    for (namespace, workload), pod in list(pods.items())[:MOST_CALLERS]:
        caller = f"{namespace}/{workload}"
        try:
            told = explained(Question(f"{namespace}/{pod.name}", destination), of.known, of.graph)
        except Failure as failure:
            found.append(MayCall(caller, "unreachable", str(failure)))
        else:
            found.append(_may_call(caller, told))
    return found


def _may_call(caller: str, told: Mapping[str, Any]) -> MayCall:
    """The answer that makes the verdict, in short."""
    answer = next((each for each in told["answers"] if each["verdict"] == told["verdict"]), None)
    if answer is None:
        path = told["path"] or {"because": "", "decidedBy": ()}
        by = next((each["object"] for each in path["decidedBy"]), "")
        return MayCall(caller, told["verdict"], path["because"], by)
    return MayCall(caller, told["verdict"], answer["because"], (answer["decidedBy"] or {"object": ""})["object"])


def _behind(graph: Graph, service: Service) -> Sequence[Behind]:
    """The workloads behind a service, with what is attached to the first pod of each."""
    pods: dict[tuple[str, str, str], dict[ObjectRef, Workload]] = {}
    for port in service.ports:
        found: tuple[Arrival, ...] = graph.get(call(arrivals, service.key, port.number))
        for pod in (arrival.pod for arrival in found if arrival.pod is not None):
            name = pod.owner or pod.ref.name
            pods.setdefault((pod.namespace, name, pod.service_account), {})[pod.ref] = pod
    return [_workload(graph, key, list(found.values())) for key, found in sorted(pods.items())]


def _workload(graph: Graph, key: tuple[str, str, str], pods: Sequence[Workload]) -> Behind:
    first = pods[0]
    filters, taking = (call(maker, first.namespace, first.labels) for maker in (attached, mtls))
    graph.get(filters)
    mode = graph.get(taking).mode.value
    policies = sorted(
        ref for made in (filters, taking) for ref in graph.provenance(made) if ref.group == _SECURITY and ref.name
    )
    return Behind(*key, len(pods), all(pod.proxied for pod in pods), mode, tuple(dict.fromkeys(policies)))
