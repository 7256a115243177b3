"""What Envoy's OpenTelemetry sink sends, read at the price of what is new in it.

A message has the label of every series each time, and it is half of it. So labels are read as bytes, and understood
when a series is seen for the first time; classes of the whole protocol would take twice as long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from xds.api.third_party.opentelemetry.proto.common.v1.common_pb2 import KeyValue
from xds.server.errors import LimitExceeded, ProtocolError

_PACKAGE: Final = "xds.server.metrics"
_MOST: Final = 1e15
# What a message may have: looking at a million empty series would hold everybody up for seconds.
_MOST_PARTS: Final = 10  # Envoy sends one
_MOST_FAMILIES: Final = 10_000
_MOST_POINTS: Final = 25_000
_MOST_LABELS: Final = 100
_MOST_BUCKETS: Final = 100
_MOST_SAID_BYTES: Final = 64 * 1024  # what a sender says of itself is kept while it tells
_Field = descriptor_pb2.FieldDescriptorProto
# Fields of opentelemetry.proto's messages by their numbers, those that are read; attributes stay bytes.
_MESSAGES: Final[Mapping[str, tuple[tuple[str, int, Any, str], ...]]] = {
    "Point": (
        ("as_double", 4, _Field.TYPE_DOUBLE, ""),
        ("as_int", 6, _Field.TYPE_SFIXED64, ""),
        ("attributes", 7, _Field.TYPE_BYTES, ""),
    ),
    "Buckets": (
        ("count", 4, _Field.TYPE_FIXED64, ""),
        ("sum", 5, _Field.TYPE_DOUBLE, ""),
        ("counts", 6, _Field.TYPE_FIXED64, ""),
        ("bounds", 7, _Field.TYPE_DOUBLE, ""),
        ("attributes", 9, _Field.TYPE_BYTES, ""),
    ),
    "Numbers": (("points", 1, _Field.TYPE_MESSAGE, "Point"),),
    "Histogram": (("points", 1, _Field.TYPE_MESSAGE, "Buckets"),),
    "Metric": (
        ("name", 1, _Field.TYPE_STRING, ""),
        ("gauge", 5, _Field.TYPE_MESSAGE, "Numbers"),
        ("sum", 7, _Field.TYPE_MESSAGE, "Numbers"),
        ("histogram", 9, _Field.TYPE_MESSAGE, "Histogram"),
    ),
    "Scope": (("metrics", 2, _Field.TYPE_MESSAGE, "Metric"),),
    "Resource": (("attributes", 1, _Field.TYPE_BYTES, ""),),
    # What was counted stays bytes until it is known who has: reading what strangers send takes memory and time.
    "Part": (("resource", 1, _Field.TYPE_MESSAGE, "Resource"), ("scopes", 2, _Field.TYPE_BYTES, "")),
    "Message": (("parts", 1, _Field.TYPE_MESSAGE, "Part"),),
}
_REPEATED: Final = frozenset({"counts", "bounds", "attributes", "points", "metrics", "scopes", "parts"})


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a proxy: its metric, its labels, and the upper bounds of its buckets (none: a counter)."""

    name: str
    labels: Mapping[str, str]
    bounds: tuple[float, ...] = ()

    def of(self, resource: Mapping[str, str]) -> Series:
        """The series of that resource, whose attributes are labels of all that it counts."""
        return replace(self, labels={**resource, **self.labels})


class Value:
    """What was counted in one series since the last message, and how to tell which series that is.

    ``count`` is what a counter grew by, what a gauge is at, or how many values a histogram was given (``sum``: theirs).
    """

    __slots__ = ("_name", "_point", "count", "key", "sum")

    def __init__(self, name: str, point: Any, count: float, total: float) -> None:
        self._name, self._point = name, point
        self.count, self.sum = count, total
        self.key = hashlib.blake2b(b"\0".join((name.encode(), *point.attributes)), digest_size=16).digest()
        """The same for the same series of a proxy."""

    def series(self) -> Series:
        """Which series it is. Errors: ProtocolError."""
        return Series(self._name, _texts(self._point.attributes), tuple(getattr(self._point, "bounds", ())))

    def below(self) -> list[int]:
        """How many values lie below each of the series' bounds; not read before it is asked for."""
        return list(accumulate(getattr(self._point, "counts", ())))[:-1]


@dataclass(frozen=True, slots=True)
class Told:
    """A message: what its sender says of itself, and what it has counted, as bytes."""

    sender: tuple[bytes, ...]
    _scopes: tuple[bytes, ...]

    def attributes(self) -> dict[str, str]:
        """What the sender says of itself. Errors: ProtocolError."""
        return _texts(self.sender)

    def values(self, names: frozenset[str]) -> Iterator[Value]:
        """What has grown of the metrics of these names.

        Errors: LimitExceeded where there are more series than any proxy keeps, ProtocolError.
        """
        left = _MOST_POINTS
        for scope in (_read("Scope", each) for each in self._scopes):
            if len(scope.metrics) > _MOST_FAMILIES:
                raise LimitExceeded(f"a metrics message of {len(scope.metrics)} metrics")
            for metric in scope.metrics:
                name: str = metric.name
                if name not in names:
                    continue
                numbers, histograms = (metric.sum.points, metric.gauge.points), metric.histogram.points
                # Before any is looked at: two million, which is a message, would take five seconds.
                left -= sum(map(len, numbers)) + len(histograms)
                if left < 0:
                    raise LimitExceeded(f"a metrics message of more than {_MOST_POINTS} series")
                yield from filter(None, (_number(name, point) for points in numbers for point in points))
                yield from filter(None, (_histogram(name, point) for point in histograms))


def told(data: bytes) -> Told:
    """The message in ``data``. Errors: ProtocolError where it is none, or nobody's."""
    message = _read("Message", data)
    if not 0 < len(message.parts) <= _MOST_PARTS or len(message.parts[0].scopes) > _MOST_PARTS:
        raise ProtocolError("the metrics message is not of one proxy")
    part = message.parts[0]
    said = part.resource.attributes
    if len(said) > _MOST_LABELS or sum(map(len, said)) > _MOST_SAID_BYTES:
        raise ProtocolError("the metrics message says too much of who sends it")
    return Told(tuple(said), tuple(part.scopes))


def _read(kind: str, data: bytes) -> Any:
    try:
        return _classes()[kind].FromString(data)
    except DecodeError as error:
        raise ProtocolError("no metrics message") from error


def _number(name: str, point: Any) -> Value | None:
    """None where nothing was counted, or no number, or what no proxy sends."""
    count: float = point.as_int or point.as_double
    return Value(name, point, count, 0.0) if 0 < count < _MOST and len(point.attributes) <= _MOST_LABELS else None


def _histogram(name: str, point: Any) -> Value | None:
    count: float = point.count
    total: float = point.sum
    if len(point.attributes) > _MOST_LABELS or max(len(point.bounds), len(point.counts) - 1) > _MOST_BUCKETS:
        return None
    return Value(name, point, count, total) if 0 < count < _MOST and 0 <= total < _MOST else None


def _texts(attributes: Iterable[bytes]) -> dict[str, str]:
    try:
        pairs = [KeyValue.FromString(each) for each in attributes]
    except DecodeError as error:
        raise ProtocolError("attributes that are none") from error
    return {pair.key: pair.value.string_value for pair in pairs}


@cache
def _classes() -> Mapping[str, Any]:
    """The classes of the messages above, by name, in a pool of their own."""
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
    found = (pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in _MESSAGES)
    return {each.name: message_factory.GetMessageClass(each) for each in found}
