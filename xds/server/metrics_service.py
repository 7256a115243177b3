"""OpenTelemetry's metrics service: what sidecars count, to a sink, from proxies that have proven who they are.

Each message is a call. Who is let in at the first is let in at the next ones on the same connection, until its
credentials end; kept of it is which series it has told of, nothing else. A message beyond its size is refused; series
beyond their number are dropped and counted; who sends more often than it should is answered more slowly.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import grpc
import grpc.aio

from xds.server.auth import peer
from xds.server.errors import LimitExceeded, ProtocolError
from xds.server.metric_messages import Series, Told, Value, told
from xds.server.node import Node
from xds.server.open_streams import MOST_OF_ONE, OpenStreams
from xds.server.reporter import AdmitReporter, Reporter, T
from xds.slices import Slices, in_slices

SERVICE: Final = "opentelemetry.proto.collector.metrics.v1.MetricsService"
METHOD: Final = "Export"
NODE_ID: Final = "id"
"""The attribute of who sends that is its node's id; others are keys of the node's metadata."""

_PAUSE_S: Final = 0.5
_FORGOTTEN_S: Final = 120.0  # who has said nothing for so long is asked anew who it is
_SLICE: Final = 20  # series that are read between two looks at the time: 1 ms where all are new

S = TypeVar("S")
T_contra = TypeVar("T_contra", contravariant=True)


class Counted(NamedTuple, Generic[S]):
    """What was counted under ``under`` since the proxy told last."""

    under: S
    value: Value


class MetricsSink(Protocol[T_contra, S]):
    """Who is told what proxies count. Called in the event loop; never blocks, and what is much comes in slices."""

    @property
    def names(self) -> frozenset[str]:
        """The metrics that it wants to be told of."""

    def under(self, proxy: T_contra, series: Series) -> S | None:
        """What a series is counted under, asked once a connection; None when it is not wanted."""

    def counted(self, proxy: T_contra, counted: Sequence[Counted[S]], dropped: int) -> Slices[None]:
        """What a proxy has counted, and of how many series more that was dropped."""


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """What bounds metrics."""

    max_streams: int = 20_000
    """Calls at once, beyond which: RESOURCE_EXHAUSTED; and proxies that are remembered as let in."""

    max_message_bytes: int = 4 * 1024 * 1024
    """Bytes of one message: a histogram is 400, and Envoy's own bounds are 2000 counters and 250 histograms."""

    max_series: int = 2_500
    """Series of one message that are read, at 4 us each. What is beyond is dropped and counted."""

    max_known: int = 5_000
    """Series that are remembered of one proxy, some 200 bytes each. Beyond, it begins anew."""

    max_known_of_one: int = MOST_OF_ONE
    """Proxies, or connections of one, of one caller that are remembered. Beyond, who was heard longest ago is admitted
    anew: a bound of memory alone."""


class MetricsService(Generic[T, S]):
    """The metrics service: what ``sink`` is told comes from whom ``admit`` has let in."""

    def __init__(
        self, sink: MetricsSink[T, S], admit: AdmitReporter[T], settings: MetricsSettings = MetricsSettings()
    ) -> None:
        self._sink = sink
        self._admit = admit
        self._settings = settings
        self._calls = OpenStreams("metrics calls", settings.max_streams)
        # In the order in which they were heard last: all, and the keys of each caller's.
        self._senders: dict[bytes, _Sender[T, S]] = {}
        self._of_one: dict[str, dict[bytes, None]] = {}

    def handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        """What a gRPC server is given."""
        return self._calls.answered(SERVICE, METHOD, self._serve, b"")  # a call of one message is a stream of one

    async def _serve(self, context: Any) -> None:
        data = await self._calls.first(context)
        if len(data) > self._settings.max_message_bytes:
            raise LimitExceeded(f"a metrics message of {len(data)} bytes")
        message = told(data)
        del data
        sender = await self._sender(context, message)
        with self._calls.one_of(sender.caller):
            await sender.take(message)

    async def _sender(self, context: Any, message: Told) -> _Sender[T, S]:
        """Who sends it. Errors: Denied, ProtocolError."""
        now = asyncio.get_running_loop().time()
        key = _key(context, message)
        found = self._forgotten(key)
        if found is None or now >= found.until:
            found = await self._admitted(context, message.attributes(), now)
        found.heard = now
        self._remember(key, found)
        oldest = next(iter(self._senders))
        if len(self._senders) > self._settings.max_streams or now - self._senders[oldest].heard > _FORGOTTEN_S:
            self._forgotten(oldest)
        return found

    def _remember(self, key: bytes, sender: _Sender[T, S]) -> None:
        self._forgotten(key)  # one that came meanwhile
        self._senders[key] = sender
        own = self._of_one.setdefault(sender.caller, {})
        own[key] = None
        # Each connection has its own: who opens more and more of them must not have all the memory.
        if sender.caller and len(own) > self._settings.max_known_of_one:
            self._forgotten(next(iter(own)))

    def _forgotten(self, key: bytes) -> _Sender[T, S] | None:
        """Who it was."""
        found = self._senders.pop(key, None)
        if found is not None:
            own = self._of_one[found.caller]
            del own[key]
            if not own:
                del self._of_one[found.caller]
        return found

    async def _admitted(self, context: Any, said: dict[str, str], now: float) -> _Sender[T, S]:
        """Who says that of itself, if it is let in. Errors: Denied, ProtocolError."""
        if not said.get(NODE_ID):
            raise ProtocolError("the message names no node")
        who = Node(said.pop(NODE_ID), metadata=said)
        reporter = await self._admit(who, peer(context, delta=False, type_url=""))
        until = math.inf if reporter.valid_s is None else now + reporter.valid_s
        return _Sender(self._sink, reporter, self._settings, said, until)


def _key(context: Any, message: Told) -> bytes:
    """The same for all calls of one proxy on one connection with one proof of who it is."""
    token = [str(value) for name, value in context.invocation_metadata() or () if name == "authorization"]
    proven = sorted(context.auth_context().items())
    found = repr((context.peer(), token, proven, message.sender))
    return hashlib.blake2b(found.encode(), digest_size=32).digest()


class _Sender(Generic[T, S]):
    """One proxy that tells: until when (of the loop's clock) its credentials hold, and when it has told last."""

    def __init__(
        self,
        sink: MetricsSink[T, S],
        reporter: Reporter[T],
        settings: MetricsSettings,
        said: Mapping[str, str],
        until: float,
    ) -> None:
        self._sink = sink
        self._proxy = reporter.proxy
        self.caller = reporter.caller
        self._settings = settings
        self._said = said
        self._names = sink.names
        self._known: dict[bytes, S | None] = {}
        self._busy = False
        self.until = until
        self.heard = 0.0

    async def take(self, message: Told) -> None:
        """Tell the sink what is in a message. Errors: ProtocolError; LimitExceeded for a second at the same time."""
        if self._busy:
            raise LimitExceeded("a metrics message before the last was answered")
        self._busy = True
        try:
            await in_slices(self._counted(message))
            await asyncio.sleep(_PAUSE_S)  # who tells more often than it should is answered more slowly
        finally:
            self._busy = False

    def _counted(self, message: Told) -> Slices[None]:
        counted = list[Counted[S]]()
        dropped = 0
        for number, value in enumerate(message.values(self._names)):
            if number % _SLICE == _SLICE - 1:
                yield
            if number >= self._settings.max_series:
                dropped += 1
                continue
            if value.key not in self._known:
                self._learn(value.key, self._sink.under(self._proxy, value.series().of(self._said)))
            under = self._known[value.key]
            if under is not None:
                counted.append(Counted(under, value))
        yield
        yield from self._sink.counted(self._proxy, counted, dropped)

    def _learn(self, key: bytes, under: S | None) -> None:
        if len(self._known) >= self._settings.max_known:
            self._known.clear()
        self._known[key] = under
