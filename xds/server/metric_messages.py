"""What Envoy's metrics sink sends, read at the price of what is new in it.

A message repeats every label of every series each time, and they are nine tenths of it. So labels are read as bytes,
and understood when a series is seen for the first time; Envoy's own classes would take twice as long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from xds.api.envoy.service.metrics.v3.metrics_service_pb2 import StreamMetricsMessage
from xds.api.third_party.io.prometheus.client.metrics_pb2 import LabelPair
from xds.server.errors import LimitExceeded, ProtocolError

_PACKAGE: Final = "xds.server.metrics"
_MOST: Final = 1e15
# What a message may have: looking at a million empty series would hold everybody up for seconds.
_MOST_FAMILIES: Final = 100_000
_MOST_METRICS: Final = 25_000
_MOST_LABELS: Final = 100
_MOST_BUCKETS: Final = 100
_Field = descriptor_pb2.FieldDescriptorProto
# Fields of io.prometheus.client's messages (and of StreamMetricsMessage) by their numbers; labels stay bytes.
_MESSAGES: Final[Mapping[str, tuple[tuple[str, int, Any, str], ...]]] = {
    "Bucket": (("count", 1, _Field.TYPE_UINT64, ""), ("bound", 2, _Field.TYPE_DOUBLE, "")),
    "Counter": (("value", 1, _Field.TYPE_DOUBLE, ""),),
    "Histogram": (
        ("count", 1, _Field.TYPE_UINT64, ""),
        ("sum", 2, _Field.TYPE_DOUBLE, ""),
        ("buckets", 3, _Field.TYPE_MESSAGE, "Bucket"),
    ),
    "Gauge": (("value", 1, _Field.TYPE_DOUBLE, ""),),
    "Metric": (
        ("labels", 1, _Field.TYPE_BYTES, ""),
        ("gauge", 2, _Field.TYPE_MESSAGE, "Gauge"),
        ("counter", 3, _Field.TYPE_MESSAGE, "Counter"),
        ("histogram", 7, _Field.TYPE_MESSAGE, "Histogram"),
    ),
    "Family": (("name", 1, _Field.TYPE_STRING, ""), ("metrics", 4, _Field.TYPE_MESSAGE, "Metric")),
    "Message": (("families", 2, _Field.TYPE_MESSAGE, "Family"),),
}
_REPEATED: Final = frozenset({"buckets", "labels", "metrics", "families"})


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a proxy: its metric, its labels, and the upper bounds of its buckets (none: a counter)."""

    name: str
    labels: Mapping[str, str]
    bounds: tuple[float, ...] = ()


class Value:
    """What was counted in one series since the last message, and how to tell which series that is.

    ``count`` is what a counter grew by, what a gauge is at, or how many values a histogram was given (``sum``: theirs).
    """

    __slots__ = ("_metric", "_name", "count", "key", "sum")

    def __init__(self, name: str, metric: Any, count: float, total: float) -> None:
        self._name, self._metric = name, metric
        self.count, self.sum = count, total
        self.key = hashlib.blake2b(b"\0".join((name.encode(), *metric.labels)), digest_size=16).digest()
        """The same for the same series."""

    def series(self) -> Series:
        """Which series it is. Errors: ProtocolError."""
        try:
            pairs = [LabelPair.FromString(each) for each in self._metric.labels]
        except DecodeError as error:
            raise ProtocolError("labels that are none") from error
        bounds = tuple(each.bound for each in self._metric.histogram.buckets)
        return Series(self._name, {pair.name: pair.value for pair in pairs}, bounds)

    def below(self) -> list[int]:
        """How many values lie below each of the series' bounds; not read before it is asked for."""
        return [each.count for each in self._metric.histogram.buckets]


def values(data: bytes, names: frozenset[str]) -> Iterator[Value]:
    """What has grown of the metrics of these names, in the message in ``data``.

    Errors: ProtocolError; LimitExceeded where there are more series than any proxy keeps.
    """
    try:
        message = _message().FromString(data)
    except DecodeError as error:
        raise ProtocolError("no metrics message") from error
    left = _MOST_METRICS
    if len(message.families) > _MOST_FAMILIES:
        raise LimitExceeded(f"a metrics message of {len(message.families)} families")
    for family in message.families:
        name: str = family.name
        if name in names:
            left -= len(family.metrics)
            if left < 0:
                raise LimitExceeded(f"a metrics message of more than {_MOST_METRICS} series")
            yield from filter(None, (_value(name, metric) for metric in family.metrics))


def _value(name: str, metric: Any) -> Value | None:
    """None where nothing was counted, or no number, or what no proxy sends."""
    if len(metric.labels) > _MOST_LABELS or len(metric.histogram.buckets) > _MOST_BUCKETS:
        return None
    count: float = metric.counter.value or metric.gauge.value
    if count:
        return Value(name, metric, count, 0.0) if 0 < count < _MOST else None
    count = metric.histogram.count
    if not count:
        return None
    total: float = metric.histogram.sum
    return Value(name, metric, count, total) if count < _MOST and 0 <= total < _MOST else None


def identified(data: bytes) -> StreamMetricsMessage | None:
    """The first message of a stream, of which only the node counts; None when it names none. Errors: ProtocolError."""
    try:
        message = StreamMetricsMessage.FromString(data)
    except DecodeError as error:
        raise ProtocolError("no metrics message") from error
    return message if message.HasField("identifier") else None


@cache
def _message() -> Any:
    """The class of the messages above, in a pool of its own."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        made = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            label = _Field.LABEL_REPEATED if field in _REPEATED else _Field.LABEL_OPTIONAL
            made.field.add(
                name=field, number=number, type=kind, label=label, type_name=f".{_PACKAGE}.{of}" if of else None
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Message"))
