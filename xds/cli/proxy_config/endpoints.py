"""``plait proxy-config endpoint``: address, health and outlier state of each endpoint of each cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from xds.cli.proxy_config.dump import Json, ProxyConfig
from xds.cli.proxy_config.source import From, read
from xds.cli.proxy_config.view import Line, View, show

_COLUMNS: Final = {"ENDPOINT": "endpoint", "STATUS": "status", "OUTLIER CHECK": "outlier", "CLUSTER": "cluster"}
# Flags of Envoy's host status that outweigh the EDS health.
_FAILED: Final = ("failed_active_health_check", "failed_active_degraded_check")


@dataclass(frozen=True, slots=True)
class EndpointFilter:
    """Which endpoints; an empty field takes all."""

    cluster: Annotated[str, typer.Option("--cluster", help="Only those of this cluster.")] = ""
    port: Annotated[int | None, typer.Option("--port", help="Only those on this port.")] = None
    address: Annotated[str, typer.Option("--address", help="Only those at this address.")] = ""
    status: Annotated[str, typer.Option("--status", help="Only those of this status, such as healthy.")] = ""

    def takes(self, line: Line) -> bool:
        """Whether the endpoint on that line is wanted."""
        address, _, port = str(line.cells["endpoint"]).rpartition(":")
        return (
            self.cluster in {"", line.cells["cluster"]}
            and (self.port is None or str(self.port) == port)
            and self.address in {"", address}
            and self.status.upper() in {"", line.cells["status"]}
        )


def command(proxy: From, wanted: EndpointFilter) -> None:
    """The endpoints of a proxy."""
    show(endpoints(read(proxy), wanted), proxy.output)


def endpoints(config: ProxyConfig, wanted: EndpointFilter) -> View:
    """The table of endpoints: those of Envoy's clusters, with the health it sees; else those that it was sent."""
    lines = [line for line in (_of_envoy(config.hosts) if config.hosts else _as_sent(config)) if wanted.takes(line)]
    lines.sort(key=lambda line: (line.cells["cluster"], line.cells["endpoint"]))
    return View(_COLUMNS, tuple(lines))


def _of_envoy(hosts: Json) -> Iterator[Line]:
    for cluster in hosts.get("cluster_statuses", ()):
        for host in cluster.get("host_statuses", ()):
            health = host.get("health_status", {})
            cells = {
                "endpoint": _address(host.get("address", {})),
                "status": "UNHEALTHY" if any(health.get(flag) for flag in _FAILED) else _status(health),
                "outlier": "FAILED" if health.get("failed_outlier_check") else "OK",
                "cluster": cluster.get("name", ""),
            }
            yield Line(cells, {"cluster": cluster.get("name", ""), **host})


def _status(health: Json) -> str:
    return str(health.get("eds_health_status", "UNKNOWN"))


def _as_sent(config: ProxyConfig) -> Iterator[Line]:
    discovered = {entry.name for entry in config.endpoints}
    inline = [entry.resource.get("load_assignment", {}) for entry in config.clusters if entry.name not in discovered]
    for assignment in (*(entry.resource for entry in config.endpoints), *inline):
        for locality in assignment.get("endpoints", ()):
            for endpoint in locality.get("lb_endpoints", ()):
                cells = {
                    "endpoint": _address(endpoint.get("endpoint", {}).get("address", {})),
                    "status": endpoint.get("health_status", "HEALTHY"),
                    "outlier": "",
                    "cluster": assignment.get("cluster_name", ""),
                }
                yield Line(cells, assignment)


def _address(address: Json) -> str:
    """``10.0.0.1:80``, ``[::1]:80``, ``unix:/path``, ``internal:name``."""
    if "socket_address" in address:
        host = str(address["socket_address"].get("address", ""))
        port = address["socket_address"].get("port_value", 0)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if "pipe" in address:
        return f"unix:{address['pipe'].get('path', '')}"
    return f"internal:{address.get('envoy_internal_address', {}).get('server_listener_name', '')}"
