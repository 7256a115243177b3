"""What a control plane has around it, as far as the dashboard cares: a Prometheus, a cluster, other replicas."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from xds.dashboard.acting import Acting
from xds.dashboard.past import Past
from xds.model.snapshot import Snapshot, Table
from xds.model.workload import Workload

_COUNT_AGAIN_S: Final = 10.0
_APP: Final = ("app", "istiod")
_REVISION: Final = "istio.io/rev"


def alone() -> int:
    """The number of replicas where there are no others."""
    return 1


@dataclass(frozen=True, slots=True)
class Around:
    """``past``: who is asked for more than an hour; ``acting``: what people who log in may do; None: nobody, nothing.

    ``replicas`` counts those of this control plane, of which each knows its own proxies.
    """

    past: Past | None = None
    acting: Acting | None = None
    replicas: Callable[[], int] = alone


class Replicas:
    """How many pods a control plane of a revision has in its namespace, as the mesh's own snapshot tells."""

    def __init__(self, snapshot: Callable[[], Snapshot], namespace: str, revision: str) -> None:
        self._snapshot = snapshot
        self._namespace = namespace
        self._labels = frozenset({_APP, (_REVISION, revision)})
        self._counted = (0.0, 1)

    def __call__(self) -> int:
        """How many, at least this one; counted every ten seconds."""
        if time.monotonic() >= self._counted[0]:
            snapshot = self._snapshot()
            pods = {
                workload.ref
                for key in snapshot.keys(Table.WORKLOAD)
                for workload in snapshot.rows(Table.WORKLOAD, key)[:1]
                if self._is_one(workload)
            }
            self._counted = (time.monotonic() + _COUNT_AGAIN_S, max(1, len(pods)))
        return self._counted[1]

    def _is_one(self, pod: Workload) -> bool:
        return pod.namespace == self._namespace and self._labels <= pod.labels and not pod.leaving
