"""What the control plane counts of itself, for Prometheus: istiod's names where the meaning is the same."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from xds.admin.exposition import Counter, Histogram, Metric, Sample, gauge
from xds.admin.status import CaReport
from xds.model.refs import ObjectRef
from xds.server import Answer, Node, Observer
from xds.wire.type_urls import SHORT

_LAG_EVERY_S: Final = 0.5
_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 3, 5, 10, 20, 30)
_BYTES: Final = (1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000)
_ENDPOINTS: Final = frozenset({"EndpointSlice", "Pod", "WorkloadEntry"})
_SERVICES: Final = frozenset({"Service", "ServiceEntry"})


class Metrics(Observer):
    """Counts what happens while the control plane runs.

    ``objects`` tells how many objects of a group and kind are in force, ``authority`` of the CA.
    """

    def __init__(self, objects: Callable[[str, str], int], authority: Callable[[], CaReport | None]) -> None:
        self._objects = objects
        self._authority = authority
        self._started = time.monotonic()
        self._pushes = Counter("pilot_xds_pushes", "Responses sent to proxies.", "type")
        self._rejects = Counter("pilot_total_xds_rejects", "Responses that proxies refused.", "type")
        self._sizes = Histogram("pilot_xds_config_size_bytes", "Sizes of responses.", _BYTES, "type")
        about = "From a change to the last answer of a proxy for all that it makes."
        self._converged = Histogram("pilot_proxy_convergence_time", about, _SECONDS)
        self._triggers = Counter("pilot_push_triggers", "Changes of the mesh that were worked in.", "type")
        self._updates = Counter("pilot_inbound_updates", "Objects that sources told to be others.", "type")
        self._events = Counter("pilot_k8s_cfg_events", "The same, by kind and by what happened.", "type", "event")
        about = "How much later than asked for the event loop comes to what is due."
        self._lag = Histogram("plait_event_loop_lag_seconds", about, _SECONDS)

    # -- what happens

    def on_sent(self, node: Node, type_url: str, size_bytes: int) -> None:
        """A response was sent."""
        kind = _known(type_url)
        self._pushes.add(kind)
        self._sizes.observe(size_bytes, kind)

    def on_nack(self, node: Node, answer: Answer) -> None:
        """A response was refused."""
        self._rejects.add(_known(answer.type_url))

    def on_converged(self, group: str, seconds: float) -> None:
        """A proxy has all of a change."""
        self._converged.observe(seconds)

    def told(self, touched: Iterable[ObjectRef], there: Callable[[ObjectRef], bool]) -> None:
        """Sources have told that these objects are others; ``there`` is whether one exists still."""
        for ref in touched:
            exists = there(ref)
            self._updates.add(_update(ref, exists))
            self._events.add(ref.kind, "update" if exists else "delete")

    def triggered(self, pending: Iterable[ObjectRef]) -> None:
        """These objects are being worked in."""
        for kind in {_update(ref, True) for ref in pending}:
            self._triggers.add(kind)

    async def watch(self) -> None:
        """Measure how late the event loop is, for ever."""
        while True:
            due = time.monotonic() + _LAG_EVERY_S
            await asyncio.sleep(_LAG_EVERY_S)
            self._lag.observe(max(0.0, time.monotonic() - due))

    # -- what is told of it

    def metrics(self) -> Iterable[Metric]:
        """All counts, and what the process and the CA are like now."""
        counts = (self._pushes, self._rejects, self._triggers, self._updates, self._events)
        histograms = (self._sizes, self._converged, self._lag)
        yield from (each.metric() for each in (*counts, *histograms))
        yield Metric("pilot_info", "gauge", "The version.", (Sample(1, (("version", version("plait")),)),))
        yield gauge("istiod_uptime_seconds", "How long it runs.", time.monotonic() - self._started)
        yield gauge("pilot_services", "Services known.", self._objects("", "Service"))
        routes = self._objects("networking.istio.io", "VirtualService")
        yield gauge("pilot_virt_services", "VirtualServices known.", routes)
        authority = self._authority()
        if authority is not None:
            about = "When the certificate that signs ends, in seconds of Unix time."
            yield gauge("citadel_server_root_cert_expiry_timestamp", about, authority.not_after.timestamp())
        yield from _process()


def _known(type_url: str) -> str:
    """The name of a type: of those alone that there are, as proxies may ask for any."""
    return SHORT.get(type_url, "other")


def _update(ref: ObjectRef, exists: bool) -> str:
    if ref.kind in _ENDPOINTS:
        return "eds"
    if ref.kind in _SERVICES:
        return "svc" if exists else "svcdelete"
    return "config"


def _process() -> Sequence[Metric]:
    """The process as Prometheus' client libraries tell of it; from Linux' ``/proc`` where that is there."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = [
        Metric("process_cpu_seconds_total", "counter", "CPU time used.", (Sample(used.ru_utime + used.ru_stime),)),
    ]
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        open_files = sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:
        return found
    about = "Memory that is resident."
    found.append(gauge("process_resident_memory_bytes", about, pages * resource.getpagesize()))
    found.append(gauge("process_open_fds", "Files and sockets that are open.", open_files))
    return found
