"""Manifests in files, read and decoded as a control plane would, without one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Final

from xds.decoders.build import Builder
from xds.decoders.pod_owner import owner_of
from xds.explain.analyze import analyze, ordered
from xds.explain.analyze.credentials import USED, expiries
from xds.kinds.pod import Pod
from xds.kinds.service import Service
from xds.local.cluster import Made, endpoint_slices, running_pod
from xds.local.pods import Phase, PodSpec, PodStatus
from xds.local.workloads import pod_specs
from xds.model.credential import Examine, Examined
from xds.model.problem import Problem
from xds.model.refs import ObjectRef, Origin
from xds.model.snapshot import Snapshot
from xds.settings import Settings
from xds.slices import at_once
from xds.sources.changes import AuthoredObject, Replaced
from xds.sources.files import load, locate
from xds.sources.store import ObjectStore
from xds.view.graph import Graph

_FIRST_ADDRESS: Final = ip_address("10.0.0.1")


@dataclass(frozen=True, slots=True)
class Manifests:
    """What manifests make: the mesh as it would be if all their workloads ran, these pods, where each object stands.

    ``problems`` are those of single objects; ``made_up_addresses`` the pods (``shop/web-1``) whose address is made up,
    of all the ``addresses``; ``builder`` is what has read the objects.
    """

    snapshot: Snapshot
    pods: tuple[PodSpec, ...]
    objects: tuple[AuthoredObject, ...]
    problems: tuple[Problem, ...]
    made_up_addresses: frozenset[str]
    addresses: Addresses
    builder: Builder


def _examined(certificate: bytes, private_key: bytes) -> Examined:
    # Cryptography takes its time to load, and most manifests have no certificates.
    from xds.identity.certificates import examined

    return examined(certificate, private_key)


Addresses = Mapping[tuple[str, str], tuple[str, ...]]
"""The addresses of pods that run, by namespace and name; others are given made-up ones."""


def read(paths: Sequence[Path], settings: Settings) -> tuple[tuple[AuthoredObject, ...], tuple[Problem, ...]]:
    """The objects under ``paths``, and what is wrong with what could not be read there."""
    store = ObjectStore([str(path) for path in paths])
    for path in paths:
        loaded = load(path, size_limit_bytes=settings.manifest_size_limit)
        store.apply(Replaced(str(path), loaded.objects, problems={str(path): loaded.problems}))
    return tuple(store), tuple(store.problems())


def manifests(paths: Sequence[Path], settings: Settings, addresses: Addresses = MappingProxyType({})) -> Manifests:
    """The manifests under ``paths``, together. Workloads count as running."""
    return together(*read(paths, settings), settings, addresses)


def together(
    objects: tuple[AuthoredObject, ...],
    problems: tuple[Problem, ...],
    settings: Settings,
    addresses: Addresses,
    examine: Examine = _examined,
) -> Manifests:
    """The same of objects that were read elsewhere, and of what was wrong with them.

    ``examine`` looks at the certificates of Secrets, where there are any to look at.
    """
    specs = tuple(_owned(pod_specs(objects), objects))
    builder = Builder(domain=settings.domain, examine=examine)
    own = {
        (spec.namespace, spec.name): addresses.get((spec.namespace, spec.name)) or (str(_FIRST_ADDRESS + number),)
        for number, spec in enumerate(specs)
    }
    at_once(builder.apply([*((each.ref, each.struct) for each in objects), *_running(objects, specs, own)]))
    made_up = frozenset(str(spec.key) for spec in specs if not addresses.get((spec.namespace, spec.name)))
    found = (*problems, *builder.problems)
    return Manifests(builder.snapshot, specs, objects, found, made_up, own, builder)


def findings(
    paths: Sequence[Path], settings: Settings, judged: Callable[[Manifests], Iterable[Problem]] = lambda _: ()
) -> tuple[Problem, ...]:
    """Everything that is wrong with the manifests under ``paths`` together, worst first, each with its file and line.

    Workloads count as running, so that a subset that selects none of their pods is found. ``judged`` answers what else
    is wrong.
    """
    known = manifests(paths, settings)
    ends = expiries(Graph(known.snapshot).get(USED), time.time())
    return found_in(known, (*ends, *judged(known)))


def found_in(known: Manifests, more: Iterable[Problem] = ()) -> tuple[Problem, ...]:
    """What is wrong with objects and between them, and ``more``, worst first, each with its file and line."""
    return _placed(ordered((*analyze(known.snapshot, known.problems), *more)), known.objects)


def valid(paths: Sequence[Path], settings: Settings) -> tuple[Problem, ...]:
    """What is wrong with single objects under ``paths``, worst first, each with its file and line."""
    known = manifests(paths, settings)
    return _placed(ordered(known.problems), known.objects)


def _running(objects: Sequence[AuthoredObject], specs: Sequence[PodSpec], addresses: Addresses) -> Iterator[Made]:
    """The Pods and EndpointSlices that there would be if all workloads ran."""
    late = _not_ready(objects)
    statuses = [
        _status(spec, addresses[spec.namespace, spec.name], ready=(spec.namespace, spec.name) not in late)
        for spec in specs
    ]
    for spec, status in zip(specs, statuses, strict=True):
        yield running_pod(spec, status, takes_tls=spec.inject and not spec.router)
    services = {each.ref: each.struct for each in objects if isinstance(each.struct, Service)}
    yield from endpoint_slices(services, statuses)


def _owned(specs: Iterable[PodSpec], objects: Iterable[AuthoredObject]) -> Iterator[PodSpec]:
    """The pods, each with the workload that has made it where it is one of a cluster."""
    pods = {(each.ref.namespace, each.ref.name): each.struct for each in objects if isinstance(each.struct, Pod)}
    for spec in specs:
        pod = pods.get((spec.namespace, spec.name))
        name, kind = owner_of(pod) if pod is not None else ("", "")
        yield replace(spec, workload=name, workload_kind=kind) if name else spec


def _not_ready(objects: Iterable[AuthoredObject]) -> frozenset[tuple[str, str]]:
    """The pods of a cluster that run, and say that they are not ready."""
    pods = ((each.ref, each.struct.status) for each in objects if isinstance(each.struct, Pod))
    return frozenset(
        (ref.namespace, ref.name)
        for ref, status in pods
        if any(each.type == "Ready" and each.status != "True" for each in status.conditions)
    )


def _status(spec: PodSpec, ips: tuple[str, ...], *, ready: bool) -> PodStatus:
    return PodStatus(
        namespace=spec.namespace,
        name=spec.name,
        labels=spec.labels,
        ips=ips,
        ready=ready,
        phase=Phase.RUNNING,
        node_name="",
        service_account=spec.service_account,
        container_ports=spec.container_ports,
        hostname=spec.hostname,
        subdomain=spec.subdomain,
    )


def _placed(problems: Iterable[Problem], objects: Iterable[AuthoredObject]) -> tuple[Problem, ...]:
    origins: dict[ObjectRef, Origin] = {each.ref: each.origin for each in objects}
    return tuple(
        problem
        if problem.origin is not None or problem.at.object not in origins
        else replace(problem, origin=locate(problem.at, origins[problem.at.object]))
        for problem in problems
    )
