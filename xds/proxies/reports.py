"""What proxies tell beside xDS, and who takes it: refusals, failures, recorded requests, health, metrics, load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xds.audit.audit import Audit
from xds.failed.failed import Failed
from xds.machines.machines import Machines
from xds.model.proxy import Proxy
from xds.proxies.connected import Connected
from xds.proxies.recordings import Recordings
from xds.proxies.usage import HostsUsed
from xds.server import FAILURES, RECORDS, Entry, Log, Server
from xds.server.load_reports import LoadReportSettings
from xds.server.metrics_service import MetricsSink
from xds.telemetry.unfolded import Unfolded
from xds.translators.request_logs import RECORDED


@dataclass(frozen=True, slots=True)
class Reports:
    """Who takes what."""

    audit: Audit
    failed: Failed
    recordings: Recordings
    machines: Machines
    metrics: MetricsSink[Proxy, Any]
    usage: HostsUsed
    asked: LoadReportSettings
    """How often ``usage`` is told."""

    def taken_by(self, server: Server, connected: Connected) -> None:
        """Have ``server`` take them from proxies that are who they say. Before its start."""
        admit = self.audit.watching(connected.reporter)
        recorded = Log(self._recorded, RECORDS)
        failed = Log(self.failed.take, FAILURES, (self.recordings.records, recorded))
        server.add_access_logs(self.audit.take, admit, {RECORDED: failed})
        server.add_health_checks(self.machines, admit)
        server.add_metrics(Unfolded(self.metrics), admit)
        server.add_load_reports(self.usage, admit, self.asked)

    def _recorded(self, proxy: Proxy, entries: Sequence[Entry], dropped: int) -> None:
        """All requests of a proxy that is recorded, those that failed among them."""
        self.recordings.take(proxy, entries, dropped)
        self.failed.take(proxy, entries, dropped)
