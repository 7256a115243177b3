"""Whether a Deployment is there, and if not, what its pods say about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

Object = Mapping[str, Any]

# Reasons of waiting containers that are steps on the way and no trouble.
_ON_THE_WAY: Final = frozenset({"ContainerCreating", "PodInitializing"})


def available(deployment: Object) -> bool:
    """Whether all pods of the newest version are there and serve."""
    spec, status = deployment.get("spec") or {}, deployment.get("status") or {}
    wanted = spec.get("replicas", 1)
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return False
    counts = (status.get(count, 0) for count in ("updatedReplicas", "availableReplicas"))
    return all(count >= wanted for count in counts) and status.get("replicas", 0) <= max(wanted, 1)


def why_not(deployment: Object, pods: Iterable[Object]) -> str:
    """What is in the way: of the Deployment, then of each pod; one sentence, of no trouble too."""
    status = deployment.get("status") or {}
    wanted = (deployment.get("spec") or {}).get("replicas", 1)
    found = [*_refused(status), *(trouble for pod in pods for trouble in _troubles(pod))]
    count = f"{status.get('availableReplicas', 0)} of {wanted} pods are available"
    return "; ".join([count, *dict.fromkeys(found)])


def _refused(status: Object) -> Iterator[str]:
    for condition in status.get("conditions") or ():
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            yield f"no pod can be made: {condition.get('message', '')}"


def _troubles(pod: Object) -> Iterator[str]:
    """What keeps one pod from being ready."""
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield f"{name} has no node: {condition.get('message', '')}"
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        yield from _trouble(name, container)


def _trouble(pod: str, container: Object) -> Iterator[str]:
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    if waiting and waiting.get("reason") not in _ON_THE_WAY:
        said = f": {waiting['message']}" if waiting.get("message") else ""
        yield f"{pod} waits, {waiting.get('reason', 'nobody says why')}{said}"
    if ended and ended.get("exitCode"):
        yield f"{pod} ended with {ended['exitCode']} ({ended.get('reason', '')})"
    if "running" in state and not container.get("ready"):
        yield f"{pod} runs and is not ready"
