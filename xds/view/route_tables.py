"""The tables that hold virtual hosts, and what they do with hosts that nobody knows."""

from __future__ import annotations

from xds.model.mesh import Beyond, OutboundMode
from xds.view import names
from xds.view.graph import Read
from xds.view.routes import EVERYTHING, HostRoutes, virtual_host
from xds.view.scope import mesh
from xds.view.specs.routes import UNKNOWN, RouteSpec, RouteTable, VirtualHostSpec, WeightedCluster


def unknown_hosts(read: Read, table: str, unknown: Beyond, *, by_address: bool = False) -> VirtualHostSpec:
    """What is done with requests to hosts that the mesh does not know: let through, or answered 502.

    ``by_address`` is that of the table.
    """
    frontend = UNKNOWN if by_address else ""
    if unknown.mode is OutboundMode.REGISTRY_ONLY:
        blocked = RouteSpec("block_all", EVERYTHING, (), read.get(mesh).refusal, frontend=frontend)
        return VirtualHostSpec(table, "block_all", ("*",), (blocked,))
    # No retries and no time-out of ours where nobody asked the mesh for anything.
    dynamic = unknown.mode is OutboundMode.ALLOW_ANY_DYNAMIC_DNS
    name = "allow_any_dynamic_dns" if dynamic else "allow_any"
    cluster = names.DYNAMIC_DNS if dynamic else names.beyond(True, unknown.proxy)
    through = RouteSpec(name, EVERYTHING, (WeightedCluster(cluster),), read.get(mesh).unknown_host, frontend=frontend)
    return VirtualHostSpec(table, name, ("*",), (through,))


def asked_table(read: Read, port: int, turn: int = 0) -> tuple[RouteTable, ...]:
    """The route table of a port without any virtual host: those that are missing are asked for, at each turn anew."""
    return (RouteTable(names.port_routes(port), vhds=True, turn=1 + turn),)


def port_table(read: Read, port: int, unknown: Beyond, by_address: bool = False) -> tuple[RouteTable, ...]:
    """The route table of a port, whose virtual hosts come one by one (VHDS)."""
    table = names.port_routes(port)
    beyond = unknown_hosts(read, table, unknown, by_address=by_address)
    return (RouteTable(table, (beyond,), vhds=True, by_address=by_address),)


def whole_table(read: Read, port: int, hosts: tuple[HostRoutes, ...], unknown: Beyond) -> tuple[RouteTable, ...]:
    """The route table of a port with all its virtual hosts inline, for clients without VHDS."""
    table = names.port_routes(port)
    by_address = any(host.attached for host in hosts)
    found = [spec for host in hosts for spec in read.get(virtual_host, table, host)]
    beyond = unknown_hosts(read, table, unknown, by_address=by_address)
    return (RouteTable(table, (*found, beyond), by_address=by_address),)


def sniffed_table(read: Read, host: HostRoutes) -> tuple[RouteTable, ...]:
    """The route table of one service's port whose protocol is detected."""
    table = names.host_routes(host.host, host.port)
    return (RouteTable(table, read.get(virtual_host, table, host)),)


def inbound_table(read: Read, port: int) -> tuple[RouteTable, ...]:
    """The routes of an inbound port: all to the application. One for all workloads, by the port alone."""
    table = names.inbound_routes(port)
    to = (WeightedCluster(names.inbound_cluster(port)),)
    route = RouteSpec("default", EVERYTHING, to, read.get(mesh).inbound_policies)
    return (RouteTable(table, (VirtualHostSpec(table, f"inbound|http|{port}", ("*",), (route,)),)),)
