"""Pods that should have a sidecar and have none, and those whose sidecar is another control plane's."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from xds.model.injection import INJECT, NAMESPACE_INJECTION, REVISION, SYSTEM_NAMESPACES, Candidate, decide
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef
from xds.model.snapshot import Table
from xds.model.workload import Namespace, Workload
from xds.view.graph import Read
from xds.view.scope import mesh

_RESTARTED: Final = {"DaemonSet": "daemonset", "Deployment": "deployment", "StatefulSet": "statefulset"}


def check(read: Read, name: str) -> tuple[Problem, ...]:
    """One finding for each workload of a namespace some of whose pods lack a sidecar, or have one of another revision.

    Pods that are over, on their node's network, in a system namespace or on their way out are never found.
    """
    namespace: Namespace | None = read.first(Table.NAMESPACE, name)
    if namespace is None:
        return ()
    known = dict(namespace.labels)
    pods = [pod for pod in _pods(read, name) if pod.injection.possible]
    lacking = [pod for pod in pods if not pod.injection.done and _wanted(known, pod)]
    others = [pod for pod in pods if pod.injection.revision and _belongs_elsewhere(read, known, pod)]
    elsewhere = (_other(each, _asked(known, each[0])) for each in _by_owner(others))
    return (*_labels(namespace, known), *map(_missing, _by_owner(lacking)), *elsewhere, *_doubts(pods))


def _labels(namespace: Namespace, known: dict[str, str]) -> Iterator[Problem]:
    if NAMESPACE_INJECTION in known and REVISION in known:
        at = FieldRef(namespace.ref, ("metadata", "labels")).key(REVISION)
        message = f"has no effect beside {NAMESPACE_INJECTION}, which wins; leave one of them out"
        yield Problem(at, "namespace.two-labels", message, Severity.WARNING)


def _doubts(pods: Iterable[Workload]) -> Iterator[Problem]:
    """What is wrong with pods' own templates, each once for all pods of one maker."""
    for each in _by_owner(pods):
        told = [pod for pod in each if pod.injection.doubts]
        for doubt in told[0].injection.doubts if told else ():
            if doubt.code != "injection.image-auto" or not told[0].injection.done:
                yield replace(doubt, message=f"{doubt.message}{_and_others(told)}")


def check_enabled(read: Read, name: str) -> tuple[Problem, ...]:
    """A finding for a namespace that asks for no sidecars, while none of its pods has one and some could."""
    namespace: Namespace | None = read.first(Table.NAMESPACE, name)
    if namespace is None or name in (*SYSTEM_NAMESPACES, read.get(mesh).root_namespace):
        return ()
    known = dict(namespace.labels)
    if {NAMESPACE_INJECTION, REVISION} & known.keys():
        return ()
    pods = [pod for pod in _pods(read, name) if pod.injection.possible]
    if not pods or any(pod.injection.done or _wanted(known, pod) for pod in pods):
        return ()
    message = f"does not ask for sidecars, so its pods are not in the mesh; label it {NAMESPACE_INJECTION}=enabled"
    return (Problem(FieldRef(namespace.ref), "namespace.not-enabled", message, Severity.INFO),)


def revisions(read: Read) -> frozenset[str]:
    """The control planes that sidecars of the mesh were given by."""
    pods = (read.first(Table.WORKLOAD, key) for key in read.keys(Table.WORKLOAD))
    return frozenset(pod.injection.revision for pod in pods if pod is not None and pod.injection.revision)


def _pods(read: Read, namespace: str) -> Iterator[Workload]:
    keys = read.keys(Table.WORKLOAD)
    for at in range(bisect_left(keys, (namespace, "")), len(keys)):
        if keys[at][0] != namespace:
            return
        pod: Workload | None = read.first(Table.WORKLOAD, keys[at])
        if pod is not None:
            yield pod


def _wanted(namespace: dict[str, str], pod: Workload) -> bool:
    annotations = {INJECT: pod.injection.wish} if pod.injection.wish else {}
    return decide(Candidate(pod.namespace, namespace, dict(pod.labels), annotations)).inject


def _asked(namespace: dict[str, str], pod: Workload) -> str:
    """The revision (or a tag of one) that is named for the pod; empty where none is."""
    if namespace.get(NAMESPACE_INJECTION):
        return ""
    return namespace.get(REVISION) or dict(pod.labels).get(REVISION, "")


def _belongs_elsewhere(read: Read, namespace: dict[str, str], pod: Workload) -> bool:
    # What is named may be a tag, which can lead to any revision: only a name that sidecars have is surely a revision.
    asked = _asked(namespace, pod)
    return bool(asked) and asked != pod.injection.revision and asked in read.get(revisions)


def _by_owner(pods: Iterable[Workload]) -> list[list[Workload]]:
    found: dict[tuple[str, str], list[Workload]] = {}
    for pod in pods:
        found.setdefault((pod.owner_kind, pod.owner or pod.ref.name), []).append(pod)
    return list(found.values())


def _missing(pods: list[Workload]) -> Problem:
    message = f"should have a sidecar and has none{_and_others(pods)}; {_fix(pods[0])}"
    return Problem(FieldRef(pods[0].ref), "injection.missing-sidecar", message, Severity.WARNING)


def _other(pods: list[Workload], asked: str) -> Problem:
    pod = pods[0]
    message = f"has a sidecar of revision {pod.injection.revision}, not of {asked}{_and_others(pods)}; {_fix(pod)}"
    return Problem(FieldRef(pod.ref), "injection.other-revision", message, Severity.WARNING)


def _and_others(pods: list[Workload]) -> str:
    if not pods[0].owner:
        return ""
    owner = f"{pods[0].owner_kind} {pods[0].owner}"
    others = len(pods) - 1
    return f" (of {owner}{f', and {others} more of its pods' if others else ''})"


def _fix(pod: Workload) -> str:
    kind = _RESTARTED.get(pod.owner_kind)
    if kind is not None:
        return f"it gets one by: kubectl rollout restart -n {pod.namespace} {kind}/{pod.owner}"
    return "it gets one when it is made anew"
