"""``plait proxy-config cluster``: service, port, subset, direction, type and rule of each cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import typer

from xds.cli.proxy_config.dump import Entry, ProxyConfig
from xds.cli.proxy_config.names import ClusterName, authored
from xds.cli.proxy_config.source import From, read
from xds.cli.proxy_config.view import Line, View, show

_COLUMNS: Final = {
    "SERVICE FQDN": "fqdn",
    "PORT": "port",
    "SUBSET": "subset",
    "DIRECTION": "direction",
    "TYPE": "type",
    "DESTINATION RULE": "rule",
}


@dataclass(frozen=True, slots=True)
class ClusterFilter:
    """Which clusters; an empty field takes all."""

    fqdn: Annotated[str, typer.Option("--fqdn", help="Only those of hosts with this text in them.")] = ""
    port: Annotated[int | None, typer.Option("--port", help="Only those of this port.")] = None
    subset: Annotated[str, typer.Option("--subset", help="Only those of this subset.")] = ""
    direction: Annotated[str, typer.Option("--direction", help="Only inbound or outbound ones.")] = ""

    def takes(self, name: ClusterName) -> bool:
        """Whether a cluster of that name is wanted."""
        return (
            self.fqdn.lower() in name.host.lower()
            and self.port in {None, _number(name.port)}
            and self.subset in {"", name.subset}
            and self.direction.lower() in {"", name.direction}
        )


def command(proxy: From, wanted: ClusterFilter) -> None:
    """The clusters of a proxy."""
    show(clusters(read(proxy), wanted), proxy.output)


def clusters(config: ProxyConfig, wanted: ClusterFilter) -> View:
    """The table of clusters."""
    named = [(entry, ClusterName.parse(entry.name)) for entry in config.clusters]
    named.sort(key=lambda pair: (pair[1].host, _number(pair[1].port), pair[1].subset, pair[1].direction))
    return View(_COLUMNS, tuple(_line(entry, name) for entry, name in named if wanted.takes(name)))


def _line(entry: Entry, name: ClusterName) -> Line:
    discovery = entry.resource.get("type") or entry.resource.get("cluster_type", {}).get("name") or "STATIC"
    cells = {
        "fqdn": name.host,
        "port": name.port,
        "subset": name.subset,
        "direction": name.direction,
        "type": discovery,
        "rule": authored(entry.resource, "DestinationRule", entry.provenance),
    }
    return Line(cells, entry.resource)


def _number(port: str) -> int:
    return int(port) if port.isdecimal() else 0
