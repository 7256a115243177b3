"""Manifests in files, read and decoded as a control plane would, without one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from xds.decoders.build import Builder
from xds.explain.analyze import analyze
from xds.kinds.service import Service
from xds.local.cluster import Made, endpoint_slices, running_pod
from xds.local.pods import Phase, PodSpec, PodStatus
from xds.local.workloads import pod_specs
from xds.model.problem import Problem
from xds.model.refs import ObjectRef, Origin
from xds.settings import Settings
from xds.slices import at_once
from xds.sources.changes import AuthoredObject, Replaced
from xds.sources.files import load, locate
from xds.sources.store import ObjectStore

_FIRST_ADDRESS: Final = ip_address("10.0.0.1")


def findings(paths: Sequence[Path], settings: Settings) -> tuple[Problem, ...]:
    """Everything that is wrong with the manifests under ``paths`` together, worst first, each with its file and line.

    Workloads count as running, so that a subset that selects none of their pods is found.
    """
    store = ObjectStore([str(path) for path in paths])
    for path in paths:
        loaded = load(path, size_limit_bytes=settings.manifest_size_limit)
        store.apply(Replaced(str(path), loaded.objects, problems={str(path): loaded.problems}))
    objects = tuple(store)
    builder = Builder(domain=settings.domain)
    at_once(builder.apply([*((each.ref, each.struct) for each in objects), *_running(objects)]))
    return _placed(analyze(builder.snapshot, (*store.problems(), *builder.problems)), objects)


def _running(objects: Sequence[AuthoredObject]) -> Iterator[Made]:
    """The Pods and EndpointSlices that there would be if all workloads ran."""
    specs = pod_specs(objects)
    statuses = [_as_ready(spec, number) for number, spec in enumerate(specs)]
    for spec, status in zip(specs, statuses, strict=True):
        yield running_pod(spec, status)
    services = {each.ref: each.struct for each in objects if isinstance(each.struct, Service)}
    yield from endpoint_slices(services, statuses)


def _as_ready(spec: PodSpec, number: int) -> PodStatus:
    return PodStatus(
        namespace=spec.namespace,
        name=spec.name,
        labels=spec.labels,
        ips=(str(_FIRST_ADDRESS + number),),
        ready=True,
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
