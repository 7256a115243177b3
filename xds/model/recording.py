"""That somebody looks at all requests of a workload for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xds.model.workload import Workload

_NAMING: Final = ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app")


@dataclass(frozen=True, slots=True)
class Recording:
    """All requests of the proxies of a pod, or of a workload, of that name are sent to the control plane."""

    namespace: str
    name: str


def known_as(name: str, pod: Workload | None) -> tuple[str, ...]:
    """The names by which somebody may mean a proxy: its own, its workload's, its owner's; sorted."""
    labels = dict(pod.labels) if pod is not None else {}
    stated = {labels.get(key, "") for key in _NAMING}
    owner = pod.owner if pod is not None else ""
    return tuple(sorted({name, owner, *stated} - {""}))
