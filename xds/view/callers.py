"""Who calls: the service that a pod is of, how many pods of that there are, and where."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from xds.model.endpoint import NOWHERE, Locality
from xds.model.snapshot import Table
from xds.model.workload import Node, Workload
from xds.view.graph import Read

_NAMING: Final = ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app")


class WorkloadName(NamedTuple):
    """A workload, as its pods' labels name it (Istio's canonical service), else its owner, else the pod itself."""

    namespace: str
    name: str


def workload_of(pod: Workload) -> WorkloadName:
    """The workload that a pod is of."""
    own = dict(pod.labels)
    stated = next((own[key] for key in _NAMING if own.get(key)), "")
    return WorkloadName(pod.namespace, stated or pod.owner or pod.ref.name)


def callers_by_zone(read: Read, workload: WorkloadName) -> tuple[tuple[tuple[str, str], int], ...]:
    """How many pods of a workload have addresses, by region and zone, sorted."""
    found: Counter[tuple[str, str]] = Counter()
    for namespace, name in read.keys(Table.WORKLOAD):
        if namespace != workload.namespace:
            continue
        pod: Workload | None = read.first(Table.WORKLOAD, (namespace, name))
        if pod is not None and pod.addresses and workload_of(pod) == workload:
            where = stated_locality(read, pod) or NOWHERE
            found[where.region, where.zone] += 1
    return tuple(sorted(found.items()))


def stated_locality(read: Read, pod: Workload) -> Locality | None:
    """Where a pod runs: as its own label says, else its node's; None where neither does."""
    if any(pod.locality):
        return pod.locality
    node: Node | None = read.first(Table.NODE, pod.node) if pod.node else None
    return node.locality if node is not None and any(node.locality) else None
