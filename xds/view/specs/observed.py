"""What proxies tell of traffic of one direction, and the switches of it that are turned while they run (RTDS)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xds.model.telemetry import SpanTag
from xds.model.telemetry_provider import SAMPLED, FileLog, Log, Tracer

RUNTIME: Final = "plait"
"""The name of the layer of Envoy's runtime that comes from the control plane, and of its resource."""

# Keys of that layer; who has none of them does what its listeners say.
RECORD: Final = "plait.record"
FAILED_STATUS: Final = "plait.failed.status"
FAILED_UNANSWERED: Final = "plait.failed.unanswered"
LOG: Final = "plait.access_log"
SAMPLED_PERCENT: Final = f"{LOG}.{SAMPLED}.percent"
SAMPLED_STATUS: Final = f"{LOG}.{SAMPLED}.status"
SAMPLED_SLOW_MS: Final = f"{LOG}.{SAMPLED}.slow_ms"
SAMPLING: Final = "tracing.random_sampling"
TRACING: Final = "tracing.global_enabled"


def switch(name: str, *, outbound: bool) -> str:
    """The key of the share of entries that a provider is given; all while nobody says otherwise."""
    return f"{LOG}.{'client' if outbound else 'server'}.{name}"


@dataclass(frozen=True, slots=True)
class Logger:
    """Where entries go, by the provider's name; ``expression`` is CEL, for those that go there.

    ``sampled`` is whether only errors, what is slow, and a share of the rest are told.
    """

    name: str
    to: Log
    expression: str = ""
    sampled: bool = False


@dataclass(frozen=True, slots=True)
class Traced:
    """How spans are made. ``sampling`` (percent) is what holds while the switch says nothing."""

    to: Tracer
    sampling: float = 1.0
    tags: tuple[SpanTag, ...] = ()
    istio_tags: bool = True
    request_id_decides: bool = True
    propagates: bool = True


@dataclass(frozen=True, slots=True)
class Counted:
    """What is different with one standard metric: it is not counted, or labels are set, or left out (None).

    ``metric`` is Telemetry's word (REQUEST_COUNT); labels are set to what CEL expressions say.
    """

    metric: str
    disabled: bool = False
    labels: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """What a proxy tells of traffic of one direction; metrics that ``counted`` has not are as usual."""

    loggers: tuple[Logger, ...]
    traced: Traced | None = None
    counted: tuple[Counted, ...] = ()


UNSTATED: Final = Observed((Logger(SAMPLED, FileLog(json=True), sampled=True),))
"""What it tells where nobody says anything."""


@dataclass(frozen=True, slots=True)
class RuntimeSpec:
    """The switches of one proxy, sorted by key: whole numbers, or shares in parts of a million."""

    numbers: tuple[tuple[str, int], ...] = ()
    shares: tuple[tuple[str, int], ...] = ()

    @property
    def name(self) -> str:
        """The name of the resource."""
        return RUNTIME
