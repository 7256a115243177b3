"""The telemetry of a mesh: takes what proxies count, and keeps the last hour of it.

Both sides of a call report it. Counted is the caller's report where the caller has a proxy of the mesh, by its proven
identity; else the called one's. A caller that proves nothing counts as unknown, unless proxies of the mesh are known to
speak plaintext to that workload: then those are taken for who it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from xds.model.proxy import Proxy
from xds.model.snapshot import Snapshot
from xds.server.metric_messages import Series, Value
from xds.server.metrics_service import Counted
from xds.slices import Slices
from xds.telemetry.callers import Callers
from xds.telemetry.histogram import counts
from xds.telemetry.known import Known
from xds.telemetry.last_hour import MAX_EDGES
from xds.telemetry.nodes import Key
from xds.telemetry.open_connections import OpenConnections
from xds.telemetry.reading import NAMES, Under, read, service_namespace
from xds.telemetry.ring import HOUR_S
from xds.telemetry.signals import COUNTS, Count

_TIDY_S: Final = 60.0
_SLICE: Final = 50  # series, at 10 us each where their edges are new
_ONE: Final[Mapping[Count | None, int]] = {Count.OPENED: 1, Count.CLOSED: -1}
_MAX_NAMES: Final = 2 * MAX_EDGES


class Telemetry:
    """What is known of the last hour.

    ``snapshot`` is the mesh as it is now, ``connected`` the proxies that have streams: who is idle tells nothing.
    ``clock`` tells seconds since 1970.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        connected: Callable[[], Iterable[Proxy]],
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._connected = connected
        self._callers = Callers(snapshot)
        self.known = Known(clock)
        self._hour = self.known.hour
        self._open = OpenConnections(self._hour.opened)
        self._tidied = clock()

    @property
    def names(self) -> frozenset[str]:
        """The metrics that are read."""
        return NAMES

    def under(self, proxy: Proxy, series: Series) -> Under | None:
        """What a series of that proxy is counted under; None when it is none of the standard metrics."""
        found = read(proxy, series)
        if found is None:
            return None
        host, namespace = service_namespace(series)
        own = found.under.key.source if found.under.caller is None else found.under.key.destination
        for node, version in found.versions.items():
            if node == own or (node not in self.known.versions and len(self.known.versions) < _MAX_NAMES):
                self.known.versions[node] = version
        if host and namespace and len(self.known.namespaces) < _MAX_NAMES:
            self.known.namespaces[host] = namespace
        return found.under

    def counted(self, proxy: Proxy, counted: Sequence[Counted[Under]], dropped: int) -> Slices[None]:
        """Work in what a proxy has counted."""
        now = self._clock()
        self.known.messages += 1
        self.known.series_dropped += dropped
        self._there(proxy, now)
        opened: dict[Key, int] = {}
        for number, (under, value) in enumerate(counted):
            if number % _SLICE == _SLICE - 1:
                yield
            key = self._key(under, now)
            if key is not None:
                self._count(proxy.namespace, under, key, value, now)
                if one := _ONE.get(under.what, 0):
                    opened[key] = opened.get(key, 0) + one * int(value.count)
        for key, more in opened.items():
            if key in self._hour:
                self._open.add(proxy.id, key, more)
        if now - self._tidied >= _TIDY_S:
            self._tidy(now)

    def came(self, proxy: Proxy, *, anew: bool) -> None:
        """A stream of the proxy has begun; ``anew`` where that was started since its last one."""
        if anew:
            self._open.gone(proxy.id)
        self._there(proxy, self._clock())

    def left(self, proxies: Iterable[Proxy]) -> None:
        """These have had no stream for a while."""
        still = {proxy.id for proxy in self._connected()}
        for proxy in proxies:
            if proxy.id not in still:
                self._open.gone(proxy.id)

    def _there(self, proxy: Proxy, now: float) -> None:
        self._open.there(proxy.id, now)
        self._callers.there(proxy.namespace, proxy.service_account, now)

    def _key(self, under: Under, now: float) -> Key | None:
        """The edge that it is counted of; None where another proxy counts it."""
        if under.caller is None:
            return under.key
        if self._callers.reports(under.caller, now):
            return None
        return under.key._replace(source=self._callers.node(under.caller).id)

    def _count(self, reporter: str, under: Under, key: Key, value: Value, now: float) -> None:
        row, count = self._hour.row(key, reporter, now), under.what
        if count is None:
            row[Count.BUSY_MS] += value.sum
            if len(row) > COUNTS:
                for place, number in counts(value.below(), value.count, under.places).items():
                    row[COUNTS + place] += number
            return
        row[count] += value.sum if under.summed else value.count
        for beside in under.outcome:
            row[beside] += value.count
        if under.security is not None:
            row[under.security] += value.count
        if under.security is Count.PLAIN and under.caller is None and key in self._hour:
            self.known.plain[key.destination] = now

    def _tidy(self, now: float) -> None:
        self._tidied = now
        for proxy in self._connected():
            self._there(proxy, now)
        self._open.tidy(now)
        self._callers.tidy(now)
        self._hour.tidy(now)
        self.known.plain = {node: at for node, at in self.known.plain.items() if now - at <= HOUR_S}
        keys = self._hour.all()
        nodes = {node for key in keys for node in key[:2]}
        hosts = {key.service for key in keys}
        self.known.versions = {node: version for node, version in self.known.versions.items() if node in nodes}
        self.known.namespaces = {host: namespace for host, namespace in self.known.namespaces.items() if host in hosts}
