"""What proxies tell beside xDS, and who takes it: refusals, recorded requests, health, metrics, load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xds.audit.audit import Audit
from xds.machines.machines import Machines
from xds.model.proxy import Proxy
from xds.proxies.connected import Connected
from xds.proxies.recordings import Recordings
from xds.proxies.usage import HostsUsed
from xds.server import RECORDS, Log, Server
from xds.server.load_reports import LoadReportSettings
from xds.server.metrics_service import MetricsSink
from xds.translators.request_logs import RECORDED


@dataclass(frozen=True, slots=True)
class Reports:
    """Who takes what."""

    audit: Audit
    recordings: Recordings
    machines: Machines
    metrics: MetricsSink[Proxy, Any]
    usage: HostsUsed
    asked: LoadReportSettings
    """How often ``usage`` is told."""

    def taken_by(self, server: Server, connected: Connected) -> None:
        """Have ``server`` take them from proxies that are who they say. Before its start."""
        admit = self.audit.watching(connected.reporter)
        server.add_access_logs(self.audit.take, admit, {RECORDED: Log(self.recordings.take, RECORDS)})
        server.add_health_checks(self.machines, admit)
        server.add_metrics(self.metrics, admit)
        server.add_load_reports(self.usage, admit, self.asked)
