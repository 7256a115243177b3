"""``plait proxy-config listener``: addresses, port, and for each filter chain what it matches and where it leads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from xds.cli.proxy_config.dump import Entry, Json, ProxyConfig
from xds.cli.proxy_config.source import From, read
from xds.cli.proxy_config.view import Line, View, show

_COLUMNS: Final = {"ADDRESSES": "addresses", "PORT": "port", "MATCH": "match", "DESTINATION": "destination"}
_MANAGER: Final = "HttpConnectionManager"
_TCP: Final = "TcpProxy"
# What a chain matches, in the order in which Envoy looks.
_MATCHES: Final = {
    "destination_port": "Port",
    "prefix_ranges": "Addr",
    "server_names": "SNI",
    "transport_protocol": "Trans",
    "application_protocols": "App",
    "source_prefix_ranges": "From",
}


@dataclass(frozen=True, slots=True)
class ListenerFilter:
    """Which listeners; an empty field takes all."""

    port: Annotated[int | None, typer.Option("--port", help="Only those on this port.")] = None
    address: Annotated[str, typer.Option("--address", help="Only those on this address.")] = ""
    type: Annotated[str, typer.Option("--type", help="Only HTTP, TCP or HTTP+TCP ones.")] = ""

    def takes(self, listener: Json) -> bool:
        """Whether that listener is wanted."""
        return (
            self.port in {None, port_of(listener)}
            and (not self.address or self.address.lower() in addresses(listener))
            and self.type.upper() in {"", kind(listener)}
        )


def command(proxy: From, wanted: ListenerFilter) -> None:
    """The listeners of a proxy."""
    show(listeners(read(proxy), wanted), proxy.output)


def listeners(config: ProxyConfig, wanted: ListenerFilter) -> View:
    """The table of listeners, a line a filter chain, sorted by port."""
    chosen = [entry for entry in config.listeners if wanted.takes(entry.resource)]
    chosen.sort(key=lambda entry: (port_of(entry.resource), addresses(entry.resource)))
    return View(_COLUMNS, tuple(line for entry in chosen for line in _lines(entry)))


def addresses(listener: Json) -> list[str]:
    """The addresses that a listener stands for; the path of a pipe."""
    all_of = [
        listener.get("address", {}),
        *(more.get("address", {}) for more in listener.get("additional_addresses", ())),
    ]
    found = (one.get("socket_address", {}).get("address") or one.get("pipe", {}).get("path", "") for one in all_of)
    return [address for address in found if address]


def port_of(listener: Json) -> int:
    """The port of a listener; 0 for a pipe."""
    return int(listener.get("address", {}).get("socket_address", {}).get("port_value", 0))


def over_quic(listener: Json) -> bool:
    """Whether a listener takes HTTP/3, over UDP."""
    return "quic_options" in listener.get("udp_listener_config", {})


def kind(listener: Json) -> str:
    """``HTTP``, ``TCP``, ``HTTP+TCP`` or ``UNKNOWN``, by its network filters."""
    filters = [filter_ for chain in _chains(listener) for filter_ in chain.get("filters", ())]
    types = {name for filter_ in filters for name in (_type(filter_), *_discovered(filter_))}
    words = [word for word, name in (("HTTP", _MANAGER), ("TCP", _TCP)) if name in types]
    return "+".join(words) or "UNKNOWN"


def _lines(entry: Entry) -> Iterator[Line]:
    listener = entry.resource
    where = {"addresses": addresses(listener), "port": port_of(listener)}
    quic = over_quic(listener)
    shown: set[tuple[str, str]] = set()
    for chain in _chains(listener):
        match, destination = _match(chain.get("filter_chain_match", {})), _destination(chain.get("filters", ()))
        match = match if not quic else "Trans: quic" + (f"; {match}" if match != "ALL" else "")
        if (match, destination) not in shown:
            shown.add((match, destination))
            yield Line({**where, "match": match, "destination": destination}, listener)
    if not shown:
        yield Line({**where, "match": "ALL", "destination": ""}, listener)


def _chains(listener: Json) -> list[Json]:
    default = listener.get("default_filter_chain")
    return [*listener.get("filter_chains", ()), *([default] if default else [])]


def _match(match: Json) -> str:
    parts = [f"{word}: {_value(match[key])}" for key, word in _MATCHES.items() if match.get(key)]
    return "; ".join(parts) or "ALL"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_value(part) for part in value)
    if isinstance(value, Mapping):
        return f"{value.get('address_prefix')}/{value.get('prefix_len', 0)}"
    return str(value)


def _destination(filters: Sequence[Json]) -> str:
    for filter_ in filters:
        config = filter_.get("typed_config", {})
        if _type(filter_) == _MANAGER:
            return _routes(config)
        if _type(filter_) == _TCP:
            weighted = config.get("weighted_clusters", {}).get("clusters", ())
            names = [config["cluster"]] if "cluster" in config else [one.get("name", "") for one in weighted]
            return f"Cluster: {', '.join(names)}"
    # The last one ends the chain; where a connection goes may come apart from it.
    if filters and "config_discovery" in filters[-1]:
        return f"ECDS: {filters[-1].get('name', '')}"
    return "Non-HTTP/Non-TCP"


def _routes(manager: Json) -> str:
    if "rds" in manager:
        return f"Route: {manager['rds'].get('route_config_name', '')}"
    routes = manager.get("route_config", {})
    name = routes.get("name")
    return f"Inline Route: {name}" if name else "Inline Route"


def _type(filter_: Json) -> str:
    return str(filter_.get("typed_config", {}).get("@type", "")).rpartition(".")[2]


def _discovered(filter_: Json) -> list[str]:
    """The types of a filter whose content comes apart from its listener."""
    return [url.rpartition(".")[2] for url in filter_.get("config_discovery", {}).get("type_urls", ())]
