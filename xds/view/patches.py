"""Which patches (Istio's EnvoyFilter) change what a proxy is sent, and which of its resources each one may touch.

A proxy that no EnvoyFilter is for is not touched by any of this. Of one that has some, each root, group and leaf is
wrapped: the leaf's specs are what they were, those that a patch may touch with the patches beside them.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import Any, Final, NamedTuple

import re2

from xds.model.gateway_api import GATEWAY_NAME, shortened
from xds.model.patch import TCP_PROXY, ApplyTo, EnvoyFilter, Operation, Patch, PatchesFor, ProxyIs, Traffic
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.view.graph import Call, Read, call
from xds.view.patch_match import removes, touches
from xds.view.scope import mesh
from xds.view.specs.clusters import ClusterSpec
from xds.view.specs.listeners import ListenerSpec
from xds.view.specs.resources import AddedSpec, ConnectionSpec, PatchedSpec, Spec
from xds.view.specs.routes import RouteTable, VirtualHostSpec

_RESOURCES: Final = frozenset({ApplyTo.CLUSTER, ApplyTo.LISTENER, ApplyTo.EXTENSION_CONFIG})

_MOST: Final = 512  # patches for one proxy: each is tried on every message that it may touch

Chosen = tuple[tuple[ObjectRef, ProxyIs], ...]


class Aspect(Enum):
    """What of a configuration a patch changes, so that a change of one aspect is not looked at for the others."""

    LISTENERS = "listeners"
    ROUTES = "routes"
    CLUSTERS = "clusters"
    CONNECTIONS = "connections"
    ADDED = "added"


class Patching(NamedTuple):
    """The patches that a root is wrapped with: of which objects, for which proxies of them.

    ``apart`` are the HTTP filters that more than one patch names: their content stands in the listener.
    """

    chosen: Chosen
    apart: tuple[str, ...] = ()
    router: bool = False


def patched_roots(read: Read, proxy: Proxy, outbound: Call, near: Call, own: Call) -> tuple[Call, Call, Call]:
    """The roots of a proxy, each wrapped with the patches that may touch it; as they are where there are none."""
    found = [each for each, fits in _for_proxy(read, proxy) if fits]
    if not found:
        return outbound, near, own
    router = proxy.kind == "router"
    apart = read.aside(repeated, tuple((each.of, each.proxy) for each in found))

    def chosen(*, here: bool) -> Patching:
        rows = [each for each in found if (each.gateway if router else (each.inbound if here else each.outbound))]
        return Patching(tuple((each.of, each.proxy) for each in rows), apart, router)

    calls, mine = chosen(here=False), chosen(here=True)
    if calls.chosen:
        outbound, near = call(patched_groups, outbound, calls), call(patched_groups, near, calls)
    if mine.chosen:
        own = call(own_patched_groups, own, mine)
    return outbound, near, own


def left_out(read: Read, proxy: Proxy) -> frozenset[ObjectRef]:
    """The EnvoyFilters whose patches for a proxy are too many, beside those of others: none of these is applied."""
    return frozenset(each.of for each, fits in _for_proxy(read, proxy) if not fits)


def _for_proxy(read: Read, proxy: Proxy) -> list[tuple[PatchesFor, bool]]:
    """What is for a proxy, in the order in which it is applied, and whether there is room for it.

    The root namespace's have theirs first: nobody keeps them from applying by writing many.
    """
    root = read.get(mesh).root_namespace
    found: list[PatchesFor] = []
    for owner in dict.fromkeys((root, proxy.namespace)):
        rows: tuple[PatchesFor, ...] = read.rows(Table.ENVOY_FILTER, owner)
        found += [each for each in rows if _concerns(each, proxy) and _is_for(each, proxy)]
    found.sort(key=lambda each: (each.priority, each.of.namespace != root, each.created, each.of))
    room, fitting = _MOST, set[PatchesFor]()
    for each in sorted(found, key=lambda each: each.of.namespace != root):
        if each.size <= room:
            room -= each.size
            fitting.add(each)
    return [(each, each in fitting) for each in found]


def _concerns(patches: PatchesFor, proxy: Proxy) -> bool:
    return patches.gateway if proxy.kind == "router" else (patches.inbound or patches.outbound)


def _is_for(patches: PatchesFor, proxy: Proxy) -> bool:
    if patches.targets:
        return proxy.kind == "router" and any(
            target.kind == "Gateway" and (GATEWAY_NAME, shortened(target.name)) in proxy.labels
            for target in patches.targets
        )
    wanted = patches.proxy
    stated = {("NAMESPACE", proxy.namespace), ("NAME", proxy.name), ("SERVICE_ACCOUNT", proxy.service_account)}
    if not patches.selector <= proxy.labels or not wanted.metadata <= stated:
        return False
    return not wanted.version or (bool(proxy.version) and re2.search(wanted.version, proxy.version) is not None)


def patched_groups(read: Read, root: Call, how: Patching) -> tuple[Call, ...]:
    """The groups of a root, each with the patches around it."""
    return tuple(call(patched_leaves, group, how) for group in calls_of(read, root))


def own_patched_groups(read: Read, root: Call, how: Patching) -> tuple[Call, ...]:
    """The same of what is a proxy's own, and what patches add to it."""
    return (*patched_groups(read, root, how), call(added_leaves, how))


def patched_leaves(read: Read, group: Call, how: Patching) -> tuple[Call, ...]:
    """The leaves of a group, each with the patches around it."""
    return tuple(call(patched, leaf, how) for leaf in calls_of(read, group))


def calls_of(read: Read, wanted: Call) -> tuple[Call, ...]:
    """The calls that a root or a group answers."""
    found: tuple[Call, ...] = read.get(wanted.maker, *wanted.args)
    return found


def patched(read: Read, leaf: Call, how: Patching) -> tuple[Spec, ...]:
    """The specs of a leaf; those that patches may touch with these, and without those that a patch removes."""
    found: list[Spec] = []
    specs: tuple[Any, ...] = read.get(leaf.maker, *leaf.args)
    for spec in specs:
        patches = touching(read, spec, how)
        for patch in patches:
            read.first(Table.PATCHES, patch.at.object)  # whose patches they are belongs to the provenance
        if not patches:
            found.append(spec)
        elif not any(removes(patch, spec) for patch in patches):
            found.append(PatchedSpec(spec, patches, frozenset(how.apart)))
    return tuple(found)


def touching(read: Read, spec: Any, how: Patching) -> tuple[Patch, ...]:
    """Those of the patches that may touch the resource of that spec."""
    aspect = _aspect(spec)
    if aspect is None:
        return ()
    return tuple(
        patch for patch in read.aside(patches_on, how.chosen, aspect) if touches(patch, spec, router=how.router)
    )


def added_leaves(_read: Read, how: Patching) -> tuple[Call, ...]:
    """The leaf of what patches add beside what is there."""
    return (call(additions, how),)


def additions(read: Read, how: Patching) -> tuple[AddedSpec, ...]:
    """Clusters, listeners, extensions, contents of HTTP filters that patches add; the first of a name has it."""
    found: dict[tuple[ApplyTo, str], AddedSpec] = {}
    for patch in read.aside(patches_on, how.chosen, Aspect.ADDED):
        if (patch.traffic in (Traffic.ANY, Traffic.GATEWAY)) if how.router else patch.traffic is not Traffic.GATEWAY:
            if patch.to is ApplyTo.HTTP_FILTER and (not patch.config or patch.name in how.apart):
                continue
            kind = ApplyTo.EXTENSION_CONFIG if patch.to is ApplyTo.HTTP_FILTER else patch.to
            if (kind, patch.name) not in found:
                read.first(Table.PATCHES, patch.at.object)
                found[kind, patch.name] = AddedSpec(patch)
    return tuple(found.values())


def patches_on(read: Read, chosen: Chosen, aspect: Aspect) -> tuple[Patch, ...]:
    """Those patches that change this aspect, in the order in which they are applied."""
    found: list[Patch] = []
    for ref, proxy in chosen:
        author: EnvoyFilter | None = read.first(Table.PATCHES, ref)
        if author is not None:
            found += [patch for patch in author.patches if patch.proxy == proxy and aspect in _aspects(patch)]
    return tuple(found)


def repeated(read: Read, chosen: Chosen) -> tuple[str, ...]:
    """The names of HTTP filters that several patches name: as what they put in, or as what they change."""
    named: Counter[str] = Counter()
    for ref, proxy in chosen:
        author: EnvoyFilter | None = read.first(Table.PATCHES, ref)
        for patch in author.patches if author is not None else ():
            if patch.to is ApplyTo.HTTP_FILTER and patch.proxy == proxy:
                named[patch.name if patch.operation.adds else patch.listener.http_filter] += 1
            elif patch.to is ApplyTo.EXTENSION_CONFIG:
                named[patch.name] += 1
    return tuple(sorted(name for name, count in named.items() if count > 1))


def _aspects(patch: Patch) -> tuple[Aspect, ...]:
    if patch.operation is Operation.ADD and patch.to in _RESOURCES:
        return (Aspect.ADDED,)
    if patch.to is ApplyTo.CLUSTER:
        return (Aspect.CLUSTERS,)
    if patch.to.in_routes:
        return (Aspect.ROUTES,)
    if patch.to is ApplyTo.HTTP_FILTER and patch.operation.adds:
        return (Aspect.LISTENERS, Aspect.ADDED)
    if patch.operation.merges and patch.everywhere(TCP_PROXY):
        return (Aspect.LISTENERS, Aspect.CONNECTIONS)
    return (Aspect.LISTENERS,)


def _aspect(spec: Spec) -> Aspect | None:
    if isinstance(spec, ListenerSpec):
        return Aspect.LISTENERS
    if isinstance(spec, RouteTable | VirtualHostSpec):
        return Aspect.ROUTES
    if isinstance(spec, ConnectionSpec):
        return Aspect.CONNECTIONS
    return Aspect.CLUSTERS if isinstance(spec, ClusterSpec) else None
