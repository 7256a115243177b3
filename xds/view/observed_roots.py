"""A proxy's configuration with what it is to tell of its traffic, where somebody says anything of that.

Where nobody does, listeners are shared as they are. Else each root, group and leaf is wrapped, by the objects that
speak of it and not by what they say: an edit of one re-makes what differs. Every proxy has the resource with its
switches.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple, cast

from xds.model.labels import Labels
from xds.model.mesh import Mesh
from xds.model.proxy import SIDECAR, Proxy
from xds.model.recording import known_as
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.model.telemetry import Tracing
from xds.model.workload import Workload
from xds.view.clusters import service_clusters
from xds.view.endpoints import endpoint_group, placed_group
from xds.view.graph import Call, Read, call
from xds.view.observed import (
    collectors,
    logs_of,
    observed,
    sampled_of,
    speaks,
    stated,
    telemetry_of,
    tracing_of,
)
from xds.view.outbound import cluster_leaves, groups
from xds.view.routes import virtual_host
from xds.view.scope import Scope, mesh, resolved_service
from xds.view.specs.listeners import ListenerSpec
from xds.view.specs.observed import (
    RECORD,
    SAMPLED_PERCENT,
    SAMPLED_SLOW_MS,
    SAMPLED_STATUS,
    SAMPLING,
    TRACING,
    RuntimeSpec,
    switch,
)
from xds.view.specs.resources import ConnectionSpec, Spec

_QUIET: Final = frozenset({service_clusters, endpoint_group, placed_group, virtual_host})
"""Makers of leaves that are many and tell nothing."""

_OF_ALL: Final = 100  # runtime's percent


class Observing(NamedTuple):
    """The Telemetry objects that a root is wrapped with; ``home`` is where collectors are looked up from."""

    of: tuple[ObjectRef, ...]
    home: str
    router: bool = False


class Whose(NamedTuple):
    """The part of a proxy that decides its switches."""

    namespace: str
    name: str
    labels: Labels


def observed_roots(read: Read, proxy: Proxy, outbound: Call, near: Call, own: Call) -> tuple[Call, Call, Call]:
    """The roots of a proxy with what it tells of its traffic."""
    refs = read.get(telemetry_of, proxy.namespace, proxy.labels)
    whose = Whose(proxy.namespace, proxy.name, proxy.labels)
    speaking = tuple(ref for ref in refs if read.get(speaks, ref))
    if not speaking and not read.get(mesh_speaks):
        return outbound, near, call(own_groups, own, whose, None)
    router = proxy.kind != SIDECAR
    how = Observing(speaking, proxy.namespace if router else cast("Scope", outbound.args[0]).home, router)
    return (
        call(observed_groups, outbound, how),
        call(observed_groups, near, how),
        call(own_groups, own, whose, how),
    )


def mesh_speaks(read: Read) -> bool:
    """Whether MeshConfig names a collector, or a file, that is used where no Telemetry says otherwise."""
    own = read.get(mesh).telemetry
    return bool(own.logs or own.traces)


def own_groups(read: Read, root: Call, whose: Whose, how: Observing | None) -> tuple[Call, ...]:
    """The groups of what is a proxy's own, and its switches."""
    found = _calls(read, root) if how is None else observed_groups(read, root, how)
    return (*found, call(runtime_leaves, whose))


def observed_groups(read: Read, root: Call, how: Observing) -> tuple[Call, ...]:
    """The groups of a root, and the collectors that its callers need."""
    found = tuple(call(observed_leaves, group, how) for group in _calls(read, root))
    if root.maker is groups:
        return (*found, call(collector_leaves, cast("Scope", root.args[0]), how.of))
    return found


def observed_leaves(read: Read, group: Call, how: Observing) -> tuple[Call, ...]:
    """The leaves of a group."""
    return tuple(leaf if leaf.maker in _QUIET else call(observed_leaf, leaf, how) for leaf in _calls(read, group))


def collector_leaves(read: Read, scope: Scope, refs: tuple[ObjectRef, ...]) -> tuple[Call, ...]:
    """The clusters of the collectors: they are called without being asked for."""
    leaves: list[Call] = []
    for host in read.get(collectors, refs):
        service = resolved_service(read, host, scope.home)
        if service is not None:
            leaves += read.get(cluster_leaves, service.key, scope)
    return tuple(dict.fromkeys(leaves))


def observed_leaf(read: Read, leaf: Call, how: Observing) -> tuple[Spec, ...]:
    """The specs of a leaf, with what is told of the traffic of those that take any."""
    specs: tuple[Any, ...] = read.get(leaf.maker, *leaf.args)
    return tuple(_observed(read, spec, how) for spec in specs)


def _observed(read: Read, spec: Any, how: Observing) -> Any:
    if isinstance(spec, ListenerSpec):
        outbound = spec.outbound or how.router
    elif isinstance(spec, ConnectionSpec):
        outbound = spec.guard is None or how.router
    else:
        return spec
    return replace(spec, observed=read.get(observed, how.of, how.home, outbound))


def _calls(read: Read, wanted: Call) -> tuple[Call, ...]:
    found: tuple[Call, ...] = read.get(wanted.maker, *wanted.args)
    return found


def runtime_leaves(read: Read, whose: Whose) -> tuple[Call, ...]:
    """The leaf of a proxy's switches."""
    return (call(runtime, whose),)


def runtime(read: Read, whose: Whose) -> tuple[RuntimeSpec, ...]:
    """The switches of a proxy; always one resource, maybe empty, as proxies wait for it when they start."""
    own: Mesh = read.get(mesh)
    found = stated(read, read.get(telemetry_of, whose.namespace, whose.labels))
    numbers: dict[str, int] = {}
    for outbound in (True, False):
        _, off = logs_of(own.telemetry, found, outbound=outbound)
        numbers.update({switch(name, outbound=outbound): 0 for name in off})
    sampled = sampled_of(found)
    slow_ms = None if sampled.slow is None else int(sampled.slow.total_seconds() * 1000)
    chosen = {SAMPLED_PERCENT: sampled.percent, SAMPLED_STATUS: sampled.status, SAMPLED_SLOW_MS: slow_ms}
    numbers.update({key: value for key, value in chosen.items() if value is not None})
    if read.get(recorded, whose):
        numbers[RECORD] = _OF_ALL
    one, other = (tracing_of(own.telemetry, found, outbound=outbound) for outbound in (True, False))
    shares = _sampling(one) if (one.sampling, one.disabled) == (other.sampling, other.disabled) else {}
    return (RuntimeSpec(tuple(sorted(numbers.items())), tuple(sorted(shares.items()))),)


def _sampling(tracing: Tracing) -> dict[str, int]:
    if tracing.disabled:
        return {SAMPLING: 0, TRACING: 0}
    return {} if tracing.sampling is None else {SAMPLING: round(tracing.sampling * 10_000)}


def recorded(read: Read, whose: Whose) -> bool:
    """Whether somebody looks at all requests of a proxy: of its pod, or of the workload that it is of."""
    pod: Workload | None = read.first(Table.WORKLOAD, (whose.namespace, whose.name))
    names = known_as(whose.name, pod)
    return any(read.rows(Table.RECORDING, (whose.namespace, name)) for name in names)
