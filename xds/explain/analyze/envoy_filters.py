"""EnvoyFilters: patches that touch nothing, and such as cannot be applied to what their proxies are sent.

Looked at are workloads that are selected, a few of them: one of each set of labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from xds.explain.analyze.selected import Group, groups
from xds.model.identity import Identity
from xds.model.labels import NO_LABELS, Labels
from xds.model.patch import ApplyTo, EnvoyFilter, Patch, PatchesFor, Traffic
from xds.model.problem import Problem, Severity
from xds.model.proxy import SIDECAR, Proxy
from xds.model.refs import FieldRef, ObjectRef
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.translators.translate import outcomes
from xds.view.gateway.routers import gateways_of
from xds.view.graph import Call, Graph, Read, call
from xds.view.patch_match import removes
from xds.view.patches import (
    Patching,
    additions,
    calls_of,
    left_out,
    own_patched_groups,
    patched,
    patched_groups,
    touching,
)
from xds.view.proxy_view import proxy_view
from xds.view.scope import mesh
from xds.view.specs.resources import PatchedSpec

_WORKLOADS_LOOKED_AT: Final = 5


def check(read: Read, ref: ObjectRef) -> tuple[Problem, ...]:
    """What is wrong with an EnvoyFilter where it is applied."""
    author: EnvoyFilter | None = read.first(Table.PATCHES, ref)
    rows: tuple[PatchesFor, ...] = read.rows(Table.ENVOY_FILTER, ref.namespace)
    mine = [each for each in rows if each.of == ref]
    if author is None or not _candidates(read, ref) or any(each.targets for each in mine):
        return ()
    if not read.get(selected, ref):
        wanted = ", ".join(f"{key}={value}" for key, value in sorted(_selector(mine)))
        at = FieldRef(ref, ("spec", "workloadSelector"))
        return (Problem(at, "envoy-filter.selects-nobody", f"no workload has {wanted}", Severity.WARNING),)
    return (*_too_many(read, ref), *_found(read, author))


def _too_many(read: Read, ref: ObjectRef) -> Iterator[Problem]:
    for group in read.get(selected, ref):
        if ref in read.get(left_out, _proxy(read, group)):
            message = f"must be 512 for a proxy at most, with those of others; none is applied to {group.pod}"
            yield Problem(FieldRef(ref, ("spec", "configPatches")), "envoy-filter.too-many", message)
            return


def _proxy(read: Read, group: Group) -> Proxy:
    pod: Workload | None = read.first(Table.WORKLOAD, (group.namespace, group.pod))
    return Proxy(
        group.pod,
        kind="router" if read.get(is_router, group) else SIDECAR,
        namespace=group.namespace,
        name=group.pod,
        labels=group.labels,
        service_account=(pod.service_account if pod is not None else "") or "default",
        identity=Identity.ADS,
    )


def is_router(read: Read, group: Group) -> bool:
    """Whether workloads are a gateway: some Gateway asks for labels that they have."""
    return any(each.selector for each in gateways_of(read, group.namespace, group.labels))


def parts(graph: Graph, ref: ObjectRef) -> Iterator[Call]:
    """The calls that ``check`` consists of: each is soon made, all together are not."""
    wanted = call(applications, ref)
    found: tuple[Application, ...] = graph.get(wanted)
    yield wanted
    for each in found:
        yield each.results


def selected(read: Read, ref: ObjectRef) -> tuple[Group, ...]:
    """The workloads that are looked at: some that are selected, gateways and others."""
    rows: tuple[PatchesFor, ...] = read.rows(Table.ENVOY_FILTER, ref.namespace)
    selector = _selector([each for each in rows if each.of == ref])
    chosen = [group for group in _candidates(read, ref) if selector <= group.labels]
    routers = [group for group in chosen if read.get(is_router, group)]
    others = [group for group in chosen if group not in routers]
    return (*others[:_WORKLOADS_LOOKED_AT], *routers[:_WORKLOADS_LOOKED_AT])


def _selector(mine: list[PatchesFor]) -> Labels:
    return mine[0].selector if mine else NO_LABELS


def _candidates(read: Read, ref: ObjectRef) -> list[Group]:
    everywhere = ref.namespace == read.get(mesh).root_namespace
    homes = sorted({home for home, _ in read.keys(Table.WORKLOAD)}) if everywhere else [ref.namespace]
    return [group for home in homes for group in read.get(groups, home)]


def _found(read: Read, author: EnvoyFilter) -> Iterator[Problem]:
    touched: Counter[Patch] = Counter()
    problems: dict[Patch, str] = {}
    for each in read.get(applications, author.ref):
        for result in _made(read, each.results):
            touched[result.patch] += result.touched
            if result.problem:
                problems.setdefault(result.patch, f"{result.problem} (in {result.resource} of {each.pod})")
    kinds = {read.get(is_router, group) for group in read.get(selected, author.ref)}
    for patch in author.patches:
        if patch in problems:
            yield Problem(patch.at, "envoy-filter.inapplicable", problems[patch])
        elif not touched[patch] and _is_for(patch, kinds):
            message = "matches nothing of what its workloads' proxies are sent; has no effect"
            yield Problem(patch.at / "match", "envoy-filter.no-match", message, Severity.WARNING)


def _is_for(patch: Patch, routers: set[bool]) -> bool:
    """Whether a patch is for some of the proxies that were looked at: of gateways, of sidecars."""
    return patch.traffic is Traffic.ANY or (patch.traffic is Traffic.GATEWAY) in routers


class Application(NamedTuple):
    """What is to be made to know what patches come to on one leaf of a pod's configuration."""

    pod: str
    results: Call


class Result(NamedTuple):
    """What a patch came to on one resource."""

    patch: Patch
    resource: str
    touched: int
    problem: str = ""


def applications(read: Read, ref: ObjectRef) -> tuple[Application, ...]:
    """Where the patches of the object, and of those that are for the same proxies, are applied."""
    found: dict[Call, Application] = {}
    for group in read.get(selected, ref):
        for root in read.get(proxy_view, _proxy(read, group)):
            if root.maker not in (patched_groups, own_patched_groups):
                continue
            for leaf in (leaf for each in calls_of(read, root) for leaf in calls_of(read, each)):
                wanted = Call(results if leaf.maker is patched else added, leaf.args)
                found.setdefault(wanted, Application(group.pod, wanted))
    return tuple(found.values())


def _made(read: Read, wanted: Call) -> tuple[Result, ...]:
    found: tuple[Result, ...] = read.get(wanted.maker, *wanted.args)
    return found


def added(read: Read, how: Patching) -> tuple[Result, ...]:
    """What patches add beside what is there."""
    specs = read.get(additions, how)
    return tuple(Result(each.patch, each.name, 1) for each in specs if each.patch.to is not ApplyTo.HTTP_FILTER)


def results(read: Read, leaf: Call, how: Patching) -> tuple[Result, ...]:
    """What the patches came to on the resources of a leaf."""
    found: list[Result] = []
    for spec in read.get(leaf.maker, *leaf.args):
        patches = touching(read, spec, how)
        gone = [Result(patch, spec.name, 1) for patch in patches if removes(patch, spec)]
        if gone or not patches:
            found += gone
            continue
        applied = outcomes(PatchedSpec(spec, patches, frozenset(how.apart)))
        found += [Result(each.patch, spec.name, each.touched, each.problem) for each in applied]
    return tuple(found)
