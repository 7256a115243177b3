"""What the mesh knows of holders of certificates beyond what was sent to them: which pods there are, and were."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from ca.holders import Holders
from ca.rotation import Holder
from ca.state import CaState
from xds.model.workload import Workload


class Pods:
    """Which holders are pods: of one that is gone nothing is left that could have a certificate."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def note(self, name: str) -> None:
        """``name`` is a pod."""
        self._names.add(name)

    def tidy(self, holders: Holders, there: Collection[str]) -> None:
        """Forget the pods that are not among those that are ``there``."""
        for name in self._names - set(there):
            holders.gone(name)
        self._names.intersection_update(there)

    def forget_unknown(self, holders: Holders) -> None:
        """Forget the pods of which ``holders`` knows nothing any more."""
        self._names.intersection_update(holders)


def unseen(workloads: Iterable[Workload], known: Holders, state: CaState, until: datetime) -> list[Holder]:
    """The workloads with sidecars that ``known`` has nothing of: what they hold, an earlier process gave them.

    Nothing is known of them before they come back, or ``until``, when whatever they hold has ended.
    """
    names, roots = set(known), frozenset(state.roots.fingerprints)
    return [
        Holder(pod.label, frozenset(), "", until, roots) for pod in workloads if pod.proxied and pod.label not in names
    ]
