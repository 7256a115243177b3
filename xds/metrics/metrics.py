"""What the control plane counts of itself, for Prometheus: istiod's names where the meaning is the same."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from xds.admin.exposition import Counter, Histogram, Metric, Sample, gauge
from xds.admin.status import CaReport
from xds.metrics.ca import CaMetrics
from xds.metrics.mesh import MeshMetrics
from xds.metrics.webhooks import WebhookMetrics
from xds.model.problem import Problem
from xds.model.refs import ObjectRef
from xds.model.snapshot import Snapshot
from xds.server import Answer, Node, Observer
from xds.wire.type_urls import SHORT

_LAG_EVERY_S: Final = 0.5
_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 3, 5, 10, 20, 30)
_BYTES: Final = (1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000)
_ALWAYS: Final = ("cds", "eds", "lds", "rds")  # told of before there is one, so that the first is an increase
_ENDPOINTS: Final = frozenset({"EndpointSlice", "Pod", "WorkloadEntry"})
_SERVICES: Final = frozenset({"Service", "ServiceEntry"})
# What Istio calls its registry: all else is configuration.
_REGISTRY: Final = {"Service": "Services", "EndpointSlice": "EndpointSlice", "Pod": "Pods", "Node": "Nodes"}


class Metrics(Observer):
    """Counts what happens while the control plane runs.

    ``objects`` tells how many objects of a group and kind are in force, ``authority`` of the CA, ``snapshot`` the mesh
    as it is and ``problems`` what is wrong with it.
    """

    def __init__(
        self,
        objects: Callable[[str, str], int],
        authority: Callable[[], CaReport | None],
        snapshot: Callable[[], Snapshot],
        problems: Callable[[], Sequence[Problem]],
    ) -> None:
        self.ca = CaMetrics(authority)
        self.webhooks = WebhookMetrics()
        self._mesh = MeshMetrics(objects, snapshot, problems)
        self._there: set[ObjectRef] = set()
        self._started = time.monotonic()
        self._pushes = Counter("pilot_xds_pushes", "Responses sent to proxies.", "type")
        self._rejects = Counter("pilot_total_xds_rejects", "Responses that proxies refused.", "type")
        for kind in _ALWAYS:
            self._rejects.add(kind, by=0)
        self._sizes = Histogram("pilot_xds_config_size_bytes", "Sizes of responses.", _BYTES, "type")
        about = "From a change to the last answer of a proxy for all that it makes."
        self._converged = Histogram("pilot_proxy_convergence_time", about, _SECONDS)
        self._triggers = Counter("pilot_push_triggers", "Changes of the mesh that were worked in.", "type")
        self._updates = Counter("pilot_inbound_updates", "Objects that sources told to be others.", "type")
        about = "The same: those of configuration, by kind and by what happened."
        self._events = Counter("pilot_k8s_cfg_events", about, "type", "event")
        about = "The same: Services, endpoints, Pods and Nodes."
        self._registry_events = Counter("pilot_k8s_reg_events", about, "type", "event")
        about = "From the first change that is told until all that were gathered with it are worked in."
        self._gathered = Histogram("pilot_debounce_time", about, _SECONDS)
        about = "How long a proxy's new set waits until its stream is brought to it."
        self._queued = Histogram("pilot_proxy_queue_time", about, _SECONDS)
        about = "Making and sending a response to a proxy."
        self._pushed = Histogram("pilot_xds_push_time", about, _SECONDS, "type")
        self._written = Histogram("pilot_xds_send_time", "Sending a response to a proxy.", _SECONDS)
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

    def on_written(self, group: str, type_url: str, size_bytes: int, seconds: tuple[float, float]) -> None:
        """A response was made and sent."""
        self._pushed.observe(sum(seconds), _known(type_url))
        self._written.observe(seconds[1])

    def on_queued(self, waited_s: float) -> None:
        """A stream was brought to a new set."""
        self._queued.observe(waited_s)

    def on_converged(self, group: str, seconds: float) -> None:
        """A proxy has all of a change."""
        self._converged.observe(seconds)

    def told(self, touched: Iterable[ObjectRef], there: Callable[[ObjectRef], bool]) -> None:
        """Sources have told that these objects are others; ``there`` is whether one exists still."""
        for ref in touched:
            exists = there(ref)
            self._updates.add(_update(ref, exists))
            event = "delete" if not exists else "update" if ref in self._there else "add"
            (self._there.add if exists else self._there.discard)(ref)
            known = _REGISTRY.get(ref.kind) if not ref.group or ref.kind == "EndpointSlice" else None
            (self._registry_events if known else self._events).add(known or ref.kind, event)

    def triggered(self, pending: Mapping[ObjectRef, float]) -> None:
        """These objects, told at those times, are being worked in. Units: seconds of the monotonic clock."""
        if pending:
            self._gathered.observe(time.monotonic() - min(pending.values()))
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
        counts = (self._pushes, self._rejects, self._triggers, self._updates, self._events, self._registry_events)
        times = (self._gathered, self._queued, self._pushed, self._written)
        histograms = (self._sizes, self._converged, self._lag, *times)
        yield from (each.metric() for each in (*counts, *histograms))
        own = version("plait")
        yield Metric("pilot_info", "gauge", "The version.", (Sample(1, (("version", own),)),))
        build = (("component", "pilot"), ("tag", own))
        yield Metric("istio_build", "gauge", "The same, as Istio has it of each component.", (Sample(1, build),))
        yield gauge("istiod_uptime_seconds", "How long it runs.", time.monotonic() - self._started)
        for part in (self._mesh, self.ca, self.webhooks):
            yield from part.metrics()
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
