"""What proxies are to tell of the traffic that they see: what Telemetry objects say, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum
from typing import Final

from xds.model.refs import ObjectRef


class Mode(StrEnum):
    """Which traffic is meant; routers' counts as that of clients."""

    BOTH = "CLIENT_AND_SERVER"
    CLIENT = "CLIENT"
    SERVER = "SERVER"

    def covers(self, *, outbound: bool) -> bool:
        """Whether it means traffic of that direction."""
        return self is Mode.BOTH or (self is Mode.CLIENT) is outbound


class TagSource(Enum):
    """Where the value of a tag of spans comes from."""

    LITERAL = "literal"
    ENVIRONMENT = "environment"
    HEADER = "header"
    FORMATTER = "formatter"


@dataclass(frozen=True, slots=True)
class SpanTag:
    """One tag of spans: ``value`` is the text, the variable's or header's name, or the format."""

    name: str
    source: TagSource
    value: str
    default: str = ""


@dataclass(frozen=True, slots=True)
class Tracing:
    """How traffic of a mode is traced; what is None (``tags``: None) is as the next wider scope has it."""

    mode: Mode = Mode.BOTH
    providers: tuple[str, ...] = ()
    sampling: float | None = None  # percent
    disabled: bool | None = None
    tags: tuple[SpanTag, ...] | None = None
    request_id_decides: bool | None = None
    istio_tags: bool | None = None
    propagates: bool | None = None


NO_TRACING: Final = Tracing()


@dataclass(frozen=True, slots=True)
class LabelOverride:
    """What becomes of one label of metrics: ``value`` is a CEL expression; None removes the label."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class MetricOverride:
    """What is different with some metrics: ``metric`` is Istio's word (REQUEST_COUNT), ``""`` all, or a custom name."""

    metric: str = ""
    mode: Mode = Mode.BOTH
    disabled: bool | None = None
    labels: tuple[LabelOverride, ...] = ()


@dataclass(frozen=True, slots=True)
class Metrics:
    """What is counted; no providers: as the next wider scope has it. Overrides in the order in which they apply."""

    providers: tuple[str, ...] = ()
    overrides: tuple[MetricOverride, ...] = ()
    interval: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Logging:
    """What of traffic of a mode is logged, and to which providers; none: as the next wider scope has it.

    ``expression`` is CEL, ``""`` where nothing is said of it.
    """

    mode: Mode = Mode.BOTH
    providers: tuple[str, ...] = ()
    disabled: bool | None = None
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class Sampled:
    """Which requests the default access log has; None is as the next wider scope says.

    ``percent`` is of all; errors are those of a status from ``status`` on; slow is what takes at least ``slow``.
    """

    percent: int | None = None
    status: int | None = None
    slow: timedelta | None = None


NOTHING_SAMPLED: Final = Sampled()


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One Telemetry object. Whom it is for stands in its ``Attachment`` (``Table.TELEMETRY``)."""

    ref: ObjectRef
    tracing: tuple[Tracing, ...] = ()
    metrics: tuple[Metrics, ...] = ()
    logging: tuple[Logging, ...] = ()
    sampled: Sampled = NOTHING_SAMPLED
