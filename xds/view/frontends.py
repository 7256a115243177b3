"""Services with routes of the Gateway API: these hold for who dials the address, whatever host is asked for (GAMMA)."""

from __future__ import annotations

from xds.model.refs import ObjectRef
from xds.model.service import ServiceKey
from xds.model.snapshot import Table
from xds.view.graph import Read
from xds.view.hosts_reached import host_routes
from xds.view.ports_reached import reached_ports
from xds.view.scope import Scope, mesh, seen_by
from xds.view.sidecars import reached_services


def asked_by_address(read: Read, scope: Scope, port: int) -> bool:
    """Whether a service that callers of a scope reach on a port has routes of the Gateway API."""
    domain = read.get(mesh).domain
    parents: tuple[ObjectRef, ...] = read.keys(Table.PARENT)
    named = {
        ServiceKey(f"{parent.name}.{parent.namespace}.svc.{domain}", parent.namespace)
        for parent in parents
        if (parent.group, parent.kind) == ("", "Service")
    }
    if not named:
        return False
    return any(
        shape.number == port
        and shape.protocol.is_http
        and read.get(host_routes, key, port, seen_by(scope, key)).attached
        for key in sorted(named.intersection(reached_services(read, scope)))
        for shape in reached_ports(read, key, scope)
    )
