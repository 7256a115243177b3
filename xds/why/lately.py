"""What failed lately between two workloads, as both their proxies told it, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from xds.explain.failures.causes import Cause, answered_by_upstream, cause, gives_up_first
from xds.explain.failures.known import Asked, known_of
from xds.explain.path.requests import without_port
from xds.explain.path.steps import Way
from xds.failed.call import FailedCall, FailedCalls
from xds.model.refs import ObjectRef
from xds.model.service import Service
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view.graph import Graph, call
from xds.why.answers import Answer
from xds.why.mesh import KnownMesh
from xds.why.parties import Destination, Source, label_of
from xds.why.places import Places

Json = dict[str, Any]

MOST: Final = 20
"""Kinds of failures that are told of, the newest first."""

_PODS: Final = 50
_SERVICE: Final = ".svc."


@dataclass(frozen=True, slots=True)
class Edge:
    """Who calls whom: pods on both sides by name, and what the destination is called by."""

    callers: Mapping[str, Workload]
    called: Mapping[str, Workload]
    hosts: frozenset[str]
    addresses: frozenset[str]
    port: int


def edge_of(
    graph: Graph, source: Source, destination: Destination, answers: Iterable[Answer], way: Way | None
) -> Edge | None:
    """The edge that a question is about; None where its caller is no pod."""
    caller = source.caller
    callers = _siblings(graph, caller.namespace, caller.name) if caller.name else {}
    behind = [_at(graph, each.address) for leg in (way.legs if way is not None else ()) for each in leg.endpoints]
    behind += [answer.arrival.pod for answer in answers]
    called = {label_of(pod): pod for pod in behind if pod is not None}
    refs = {destination.service, *(leg.service for leg in (way.legs if way is not None else ()))}
    services = list(_services(graph, refs))
    hosts = {destination.host, *(each.hostname for each in services)}
    addresses = {destination.address, *(address for each in services for address in each.addresses)}
    return Edge(
        callers, dict(list(called.items())[:_PODS]), frozenset(hosts), frozenset(addresses - {""}), destination.port
    )


def lately(graph: Graph, edge: Edge, known: KnownMesh, request_id: str = "") -> list[Json]:
    """What failed on the edge: an item a kind, the newest first, as ``_told`` shapes it."""
    pods = {**edge.called, **edge.callers}
    found = [each for each in known.failures(tuple(pods), request_id) if each.latest and each.reporter in pods]
    there = [each for each in found if each.inbound and each.reporter in edge.called and _from(edge, each)]
    here = [
        each for each in found if not each.inbound and each.reporter in edge.callers and _towards(graph, edge, each)
    ]
    why = _Why(graph, known, pods, there)
    told = [why.told(each) for each in here]
    said = {call.request_id for each in here for call in each.latest} - {""}
    # What the caller's proxy tells of too is told once; and who gave up is the caller, whatever it says of it.
    told += [why.told(each) for each in there if not said & {call.request_id for call in each.latest}]
    return sorted(told, key=lambda each: str(each["last"]), reverse=True)[:MOST]


class _Why:
    """Causes, of which those that lie beyond a proxy are looked for at the next one."""

    def __init__(
        self, graph: Graph, known: KnownMesh, pods: Mapping[str, Workload], there: Sequence[FailedCalls]
    ) -> None:
        self._graph = graph
        self._known = known
        self._pods = pods
        self._there = there
        self._places = Places(known.origin_of)

    def told(self, kind: FailedCalls) -> Json:
        """A kind of failures with its cause."""
        one = kind.latest[-1]
        why = self._cause(kind, one)
        if not kind.inbound and (answered_by_upstream(one) or gives_up_first(one)):
            why = self._beyond(one) or why
        return _told(kind, one, why, self._places)

    def _cause(self, kind: FailedCalls, one: FailedCall) -> Cause:
        pod = self._pods[kind.reporter]
        router = (pod.namespace, pod.ref.name) in self._known.routers
        asked = call(known_of, Asked(pod, one, kind.inbound, router))
        found = self._graph.get(asked)
        self._graph.release(asked)  # each is asked about once
        return cause(one, found, inbound=kind.inbound)

    def _beyond(self, one: FailedCall) -> Cause | None:
        """What the called workload's own proxy said of the same request; else of one that ended likewise."""
        address = one.upstream.rpartition(":")[0].strip("[]")
        ours = [
            each
            for each in self._there
            if each.reporter == one.upstream_pod or address in self._pods[each.reporter].addresses
        ]
        same = [
            (each, other)
            for each in ours
            for other in each.latest
            if other.request_id and other.request_id == one.request_id
        ]
        alike = [(each, each.latest[-1]) for each in ours if one.status and each.latest[-1].status == one.status]
        for each, other in (*same, *alike):
            if not gives_up_first(other):
                return self._cause(each, other)
        return None


def _told(kind: FailedCalls, one: FailedCall, why: Cause, places: Places) -> Json:
    """``says`` is all in one line; ``by`` the fields that decided, the most guilty first."""
    asked = f"{one.method} {one.host}{one.path}" if one.method else f"a connection to {one.dialled}"
    return {
        "says": f"{one.outcome}: {why.says}",
        "because": why.says,
        "by": [{"object": str(at.object), "field": at.dotted, "at": places.field(at)} for at in why.guilty],
        "times": kind.times,
        "first": _moment(kind.first),
        "last": _moment(kind.last),
        "toldBy": kind.reporter,
        "inbound": kind.inbound,
        "request": asked,
        "requestId": one.request_id,
        "status": one.status,
        "flags": list(one.flags),
        "details": one.details,
        "transportFailure": one.transport,
        "upstream": one.upstream,
        "attempts": one.attempts,
        "durationMs": one.duration_ms,
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _from(edge: Edge, kind: FailedCalls) -> bool:
    """Whether a call that came in was the caller's: by its address, or its service account."""
    one = kind.latest[-1]
    if any(one.source in pod.addresses for pod in edge.callers.values()):
        return True
    accounts = {f"/ns/{pod.namespace}/sa/{pod.service_account or 'default'}" for pod in edge.callers.values()}
    return one.principal.endswith(tuple(accounts))


def _towards(graph: Graph, edge: Edge, kind: FailedCalls) -> bool:
    """Whether a call went to the destination: by its cluster, its host, or what was dialled.

    Nobody here may know whose address that is (a local mesh gives Services theirs): the port must do then.
    """
    one = kind.latest[-1]
    parts = one.cluster.split("|")
    if len(parts) == 4 and parts[3] in edge.hosts:
        return True
    if one.method:
        host = without_port(one.host)
        return any(each == host or (_SERVICE in each and each.startswith(f"{host}.")) for each in edge.hosts)
    if one.cluster:
        return False
    address, _, port = one.dialled.rpartition(":")
    address = address.strip("[]")
    if address in edge.addresses:
        return True
    known = any(graph.snapshot.rows(table, address) for table in (Table.VIRTUAL_ADDRESS, Table.ADDRESS))
    return not known and port == str(edge.port)


def _siblings(graph: Graph, namespace: str, name: str) -> dict[str, Workload]:
    """The pods of the same workload."""
    rows: tuple[Workload, ...] = graph.snapshot.rows(Table.WORKLOAD, (namespace, name))
    if not rows:
        return {}
    own = {label_of(rows[0]): rows[0]}
    if not rows[0].owner:
        return own
    for key in graph.snapshot.keys(Table.WORKLOAD):
        pod: Workload = graph.snapshot.rows(Table.WORKLOAD, key)[0]
        if (pod.namespace, pod.owner, pod.owner_kind) == (namespace, rows[0].owner, rows[0].owner_kind):
            own[label_of(pod)] = pod
    return dict(list(own.items())[:_PODS])


def _services(graph: Graph, refs: Iterable[ObjectRef | None]) -> Iterator[Service]:
    wanted = {ref for ref in refs if ref is not None}
    for key in graph.snapshot.keys(Table.SERVICE) if wanted else ():
        yield from (row for row in graph.snapshot.rows(Table.SERVICE, key) if row.ref in wanted)


def _at(graph: Graph, address: str) -> Workload | None:
    rows: tuple[Workload, ...] = graph.snapshot.rows(Table.ADDRESS, address)
    return rows[0] if rows else None
