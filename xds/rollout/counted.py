"""Signals from what proxies send to the metrics service: the standard metrics, added up for each proxy.

Of a proxy and a stream there are twenty numbers, and copies of them of two or three moments of the last minutes: 1000
proxies that call 20 hosts each take 20 MB.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any, Final, NamedTuple, Protocol

from xds.audit.refusal import clean
from xds.model.proxy import Proxy
from xds.rollout.room import Room
from xds.rollout.signals import INBOUND, TCP, TOTAL, Counts, Known, Streams, together
from xds.slices import Slices

REQUESTS: Final = "istio_requests_total"
DURATIONS: Final = "istio_request_duration_milliseconds"
OPENED: Final = "istio_tcp_connections_opened_total"
CLOSED: Final = "istio_tcp_connections_closed_total"
SENT: Final = "istio_tcp_sent_bytes_total"
NAMES: Final = frozenset({REQUESTS, DURATIONS, OPENED, CLOSED, SENT})

_OF_TCP: Final = frozenset({OPENED, CLOSED, SENT})
_BOUNDS: Final = (0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4, inf)
_REQUESTS, _REFUSED, _FAILED, _BUCKETS = 0, 1, 2, 3
_WIDTH: Final = _BUCKETS + len(_BOUNDS)
_ALERT_BYTES: Final = 7  # with which TLS refuses a connection
_MARK_S: Final = 150.0
_MARKS: Final = 2
_APART_S: Final = 5.0  # parts of one message come at once, messages every ten seconds
_SILENT_S: Final = 20.0  # who has told nothing for two of these has had nothing for one of them
_MOST_STREAMS: Final = 500
# Of a namespace, and in all: proxies, and rows, of which each takes 1 kB with its copies.
_MOST_PROXIES: Final = (5000, 20_000)
_MOST_ROWS: Final = (50_000, 150_000)
_LONGEST_ID: Final = 600
_UNKNOWN: Final = "unknown"
_TOLD_S: Final = 10.0  # so often proxies tell
_GONE_S: Final = 600.0
# Codes of gRPC that say that the server failed: unknown, deadline exceeded, unimplemented, internal, unavailable, lost.
_GRPC_FAILED: Final = frozenset({"2", "4", "12", "13", "14", "15"})

Who = tuple[str, str]
Row = array  # of _WIDTH numbers
Rows = Mapping[Who, Mapping[str, "Row[float]"]]


class Series(Protocol):
    """One series of a proxy: its metric, its labels, and the upper bounds of its buckets (none: a counter)."""

    @property
    def name(self) -> str:
        """The metric."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        ...

    @property
    def bounds(self) -> tuple[float, ...]:
        """The upper bounds of its buckets."""
        ...


class Value(Protocol):
    """What was counted in one series since the last message."""

    count: float

    def below(self) -> Sequence[int]:
        """How many values lie below each of the series' bounds."""
        ...


class Under(NamedTuple):
    """What a series is counted under: a stream, and the place of an error beside a request; or places of buckets.

    ``ended`` is what TCP connections of one kind that are over are known by, ``answered`` whether it is their bytes.
    """

    stream: str
    error: int = 0
    places: tuple[int, ...] = ()
    ended: int = 0
    answered: bool = False


class PerProxy:
    """What each proxy has counted, since it began and since some moments ago. ``clock`` tells seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rows: dict[Who, dict[str, Row[float]]] = {}
        self._heard: dict[Who, float] = {}
        self._since: dict[Who, float] = {}  # when it was heard first of all
        self._first: dict[Who, float] = {}  # when it was heard first since ``begin``
        self._proxies = Room(*_MOST_PROXIES)
        self._room = Room(*_MOST_ROWS)
        self._marks: deque[tuple[float, Rows]] = deque(maxlen=_MARKS)
        self._marked = self._began = self._past_at = clock()
        self._start: Rows = {}
        self._past: Rows = {}

    def begin(self) -> None:
        """From now on something is watched."""
        self._began = self._clock()
        self._mark_when_due(self._began)
        self._first.clear()
        if self._marks:
            self._past_at, self._past = self._marks[0]
        self._start = self._copy()

    def since(self, proxies: Iterable[Proxy]) -> Streams:
        """What these proxies together have told since ``begin``."""
        return self._between(proxies, self._start, self._rows)

    def settled(self, proxies: Iterable[Proxy]) -> bool:
        """Whether each of these that tells anything has told twice since ``begin``: the first may be of before.

        Or has told nothing for so long: who has nothing to tell is silent.
        """
        now = self._clock()
        return all(self._settled(who, now) for who in map(_who, proxies) if who in self._heard)

    def _settled(self, who: Who, now: float) -> bool:
        heard = self._heard[who]
        twice = who in self._first and heard - self._first[who] >= _APART_S
        return twice or now - max(heard, self._began) >= _SILENT_S

    def before(self, proxies: Iterable[Proxy]) -> Streams:
        """What they had told in the 150 to 300 seconds before that."""
        return self._between(proxies, self._past, self._start)

    def known(self, proxies: Iterable[Proxy]) -> Known:
        """Of how long that is. What a proxy tells first is of the ten seconds before."""
        since = [self._since[who] for who in map(_who, proxies) if who in self._since]
        told = (min(self._began - max(at, self._past_at) + _TOLD_S, self._began - self._past_at) for at in since)
        return Known(len(since), sum(max(0.0, each) for each in told))

    def under(self, proxy: Proxy, series: Series) -> Under | None:
        """What a series is counted under; None when it is of no interest."""
        told, reporter = series.labels, series.labels.get("reporter")
        if reporter not in {"source", "destination"} or series.name not in NAMES:
            return None
        stream = _called(told.get("destination_service", "")) if reporter == "source" else INBOUND
        if series.name in _OF_TCP:
            kind = 0 if series.name == OPENED else hash(frozenset(told.items())) or 1
            return Under(stream + TCP, ended=kind, answered=series.name == SENT)
        if series.name == REQUESTS:
            return Under(stream, _error(told))
        return Under(stream, places=tuple(bisect_left(_BOUNDS, bound) for bound in (*series.bounds, inf)))

    def counted(self, proxy: Proxy, counted: Iterable[tuple[Under, Value]]) -> None:
        """Work in what a proxy has counted, as long as there is room."""
        now, who = self._clock(), _who(proxy)
        self._mark_when_due(now)
        rows = self._rows.get(who)
        if rows is None:
            if not self._proxies.take(who[0]):
                return
            rows = self._rows[who] = {}
            self._since[who] = now
        self._heard[who] = now
        self._first.setdefault(who, now)
        ended, answered = dict[tuple[str, int], float](), dict[int, float]()
        for under, value in counted:
            row = self._row(rows, who[0], under.stream)
            if row is None:
                continue
            if under.answered:
                answered[under.ended] = value.count
            elif under.ended:
                ended[under.stream, under.ended] = value.count
            else:
                _work_in(row, under, value)
        for (stream, kind), count in ended.items():
            if answered.get(kind, 0.0) <= _ALERT_BYTES * count:  # bytes are counted when connections end
                rows[stream][_FAILED] += count

    def _row(self, rows: dict[str, Row[float]], namespace: str, stream: str) -> Row[float] | None:
        """The row of a stream; None where there is no room for it."""
        row = rows.get(stream)
        if row is None and len(rows) < _MOST_STREAMS and self._room.take(namespace):
            row = rows[stream] = array("d", bytes(8 * _WIDTH))
        return row

    def _mark_when_due(self, now: float) -> None:
        """Note how it stands, as often as it should have been while nobody told anything, up to all marks."""
        for _ in range(min(_MARKS, int((now - self._marked) // _MARK_S))):
            self._mark(now)

    def _mark(self, now: float) -> None:
        self._marked = now
        self._marks.append((now, self._copy()))
        for who in [who for who, at in self._heard.items() if now - at > _GONE_S]:
            del self._heard[who], self._since[who]
            self._first.pop(who, None)
            self._room.give_back(who[0], len(self._rows.pop(who)))
            self._proxies.give_back(who[0], 1)

    def _copy(self) -> Rows:
        return {who: {stream: row[:] for stream, row in rows.items()} for who, rows in self._rows.items()}

    def _between(self, proxies: Iterable[Proxy], since: Rows, until: Rows) -> Streams:
        found = []
        for who in map(_who, proxies):
            before = since.get(who, {})
            told = {stream: _difference(row, before.get(stream)) for stream, row in until.get(who, {}).items()}
            if told:  # of each proxy by itself, so that nobody weighs more by inventing hosts
                whole = [row for name, row in told.items() if not name.endswith(TCP)] or [[0] * _WIDTH]
                told[TOTAL] = list(map(sum, zip(*whole, strict=True)))
            found.append({stream: _counts(numbers) for stream, numbers in told.items()})
        return together(found)


class Both:
    """One sink of metrics that is two: ``first``, which is told all, and ``signals``, which are told what they want."""

    def __init__(self, first: Any, signals: PerProxy) -> None:
        self._first = first
        self._signals = signals

    @property
    def names(self) -> frozenset[str]:
        """The metrics that one of them wants to be told of."""
        return frozenset(self._first.names) | NAMES

    def under(self, proxy: Proxy, series: Any) -> tuple[Any, Under | None] | None:
        """What each counts a series under; None when neither does."""
        own = self._first.under(proxy, series) if series.name in self._first.names else None
        mine = self._signals.under(proxy, series)
        return None if own is None and mine is None else (own, mine)

    def counted(
        self, proxy: Proxy, counted: Sequence[tuple[tuple[Any, Under | None], Any]], dropped: int
    ) -> Slices[None]:
        """Tell both."""
        yield from self._first.counted(proxy, [(own, value) for (own, _), value in counted if own is not None], dropped)
        yield
        self._signals.counted(proxy, [(mine, value) for (_, mine), value in counted if mine is not None])


def _who(proxy: Proxy) -> Who:
    # Not the proxy itself, which is another on a stream of metrics: it does not say there how it speaks xDS.
    # Its id is its word, and is remembered for a while when it is gone.
    return proxy.namespace, proxy.id[:_LONGEST_ID]


def _called(host: str) -> str:
    """The stream of a host that a proxy says it called: never one of those that have a meaning of their own."""
    return _UNKNOWN if host in {INBOUND, TOTAL} or host.endswith(TCP) else clean(host)


def _error(told: Mapping[str, str]) -> int:
    code, status = told.get("response_code", ""), told.get("grpc_response_status", "0")
    if code.startswith("5"):
        return _FAILED
    if code.startswith("4"):
        return _REFUSED
    if told.get("request_protocol") == "grpc" and status not in {"", "0"}:
        return _FAILED if status in _GRPC_FAILED else _REFUSED
    return 0


def _work_in(row: Row[float], under: Under, value: Value) -> None:
    if under.places:
        _sort_in(row, under.places, value)
        return
    row[_REQUESTS] += value.count
    if under.error:
        row[under.error] += value.count


def _sort_in(row: Row[float], places: Sequence[int], value: Value) -> None:
    before = 0.0
    for upto, place in zip((*value.below(), value.count), places, strict=False):
        if before < upto <= value.count:
            row[_BUCKETS + place] += upto - before
            before = upto


def _difference(row: Row[float], before: Row[float] | None) -> list[int]:
    # Who was forgotten meanwhile, and is there again, has begun anew: it has counted less than before.
    return [max(0, round(now - (0.0 if before is None else before[place]))) for place, now in enumerate(row)]


def _counts(told: Sequence[int]) -> Counts:
    buckets = tuple(zip(_BOUNDS, told[_BUCKETS:], strict=True))
    return Counts(told[_REQUESTS], told[_REFUSED], told[_FAILED], buckets)
