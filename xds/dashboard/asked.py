"""What the dashboard asks beside what the admin pages tell: the values and the Protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from xds.controllers.live_count import LiveCount
from xds.model.refs import ObjectRef
from xds.model.service import Service
from xds.why.question import Question

MOST_CALLERS: Final = 50


@dataclass(frozen=True, slots=True)
class Behind:
    """Pods of one workload behind a service, as security sees them; ``policies`` are attached to them."""

    namespace: str
    workload: str
    service_account: str
    pods: int
    sidecar: bool
    mode: str
    policies: Sequence[ObjectRef]


@dataclass(frozen=True, slots=True)
class MayCall:
    """What becomes of a workload's call: ``allowed``, ``denied`` and so on, why, and by which object (``""``: none)."""

    caller: str
    verdict: str
    because: str
    decided_by: str = ""


class Asked(Protocol):
    """Who can answer questions about a control plane's mesh. All methods are called in its event loop."""

    def services(self) -> Iterable[Service]:
        """The services that calls to their host reach, by host."""
        ...

    def origin(self, ref: ObjectRef) -> str:
        """Where an object was read; ``""`` when it is gone."""
        ...

    async def live_counts(self) -> Mapping[ObjectRef, LiveCount]:
        """On how many proxies each object is live."""
        ...

    async def behind(self, service: Service) -> Sequence[Behind]:
        """The workloads that calls to the service come to."""
        ...

    async def callers(self, service: Service, port: int) -> Sequence[MayCall]:
        """What becomes of a ``GET /`` of each workload to the service; of ``MOST_CALLERS`` at most."""
        ...

    async def explain(self, question: Question) -> Mapping[str, Any]:
        """What becomes of a call; JSON types (``xds.why.document``).

        Errors: xds.failure.Failure, of what cannot be asked so, or not now.
        """
        ...
