"""What there is in the mesh, and what is wrong with it, in numbers for Prometheus: istiod's names where they fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from xds.admin.exposition import Metric, Sample, gauge
from xds.model.problem import Problem
from xds.model.snapshot import Snapshot, Table

# istiod's counts of what cannot be as it is written, by the findings that mean the same.
_CONFLICTS: Final = (
    ("pilot_destrule_subsets", "Subsets of one host that are defined more than once.", "subset.twice"),
    ("pilot_vservice_dup_domain", "VirtualServices with a host that another has.", "virtual-service.host-twice"),
)


class MeshMetrics:
    """The mesh in numbers, as it is when it is asked; ``objects`` tells how many of a group and kind there are."""

    def __init__(
        self,
        objects: Callable[[str, str], int],
        snapshot: Callable[[], Snapshot],
        problems: Callable[[], Sequence[Problem]],
    ) -> None:
        self._objects = objects
        self._snapshot = snapshot
        self._problems = problems

    def metrics(self) -> Iterable[Metric]:
        """All of them."""
        yield gauge("pilot_services", "Services known.", self._objects("", "Service"))
        routes = self._objects("networking.istio.io", "VirtualService")
        yield gauge("pilot_virt_services", "VirtualServices known.", routes)
        yield gauge(
            "pilot_eds_no_instances", "Services that no endpoint is behind.", _without_endpoints(self._snapshot())
        )
        found = Counter((each.code, each.severity.value) for each in self._problems())
        samples = (Sample(n, (("code", code), ("severity", worth))) for (code, worth), n in sorted(found.items()))
        yield Metric(
            "plait_problems", "gauge", "Findings about the configuration, as plait analyze has them.", (*samples,)
        )
        for name, about, code in _CONFLICTS:
            yield gauge(name, about, sum(n for (each, _), n in found.items() if each == code))


def _without_endpoints(snapshot: Snapshot) -> int:
    """How many services of Kubernetes with ports have no ready endpoint."""
    count = 0
    for key in snapshot.keys(Table.SERVICE):
        for service in snapshot.rows(Table.SERVICE, key):
            if service.kubernetes and service.ports and not service.alias_of:
                slices = snapshot.rows(Table.SLICE, key)
                count += not any(each.ready for found in slices for each in found.addresses)
    return count
