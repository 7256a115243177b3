"""What a sidecar holds that holds only what it uses: the hosts that its workload has asked for, one by one.

Each is a virtual host of its own, under the name by which Envoy asks for it and with that one domain, with the clusters
that its routes lead to. What nobody knows is one too: it does what the rest of its port does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xds.model.labels import Labels
from xds.model.mesh import Beyond
from xds.model.on_demand import ON_DEMAND, Asked, AskedBy, Demand, says
from xds.model.proxy import Proxy
from xds.model.service import Service
from xds.model.snapshot import Table
from xds.model.workload import Namespace
from xds.view import names
from xds.view.attach import matches
from xds.view.bound_egress import bound_leaves
from xds.view.filters import named_hosts
from xds.view.graph import Call, Read, call
from xds.view.hosts_reached import foreign_hosts, host_routes
from xds.view.outbound import cluster_leaves
from xds.view.ports_reached import reached_ports
from xds.view.route_tables import asked_table, unknown_hosts
from xds.view.routes import FOREIGN_PORT, HostRoutes, virtual_host
from xds.view.scope import Scope, best_service, mesh, resolved_service, seen_by
from xds.view.sidecar_at import sidecar
from xds.view.sidecars import beyond, reaches
from xds.view.specs.routes import VirtualHostSpec


def on_demand(read: Read, proxy: Proxy, scope: Scope, by: AskedBy) -> bool:
    """Whether a proxy holds only what it asks for: its pod's label says so, or its namespace's, or the root's."""
    if not scope.vhds or not scope.intercepted or read.get(mesh).http_proxy_port:
        return False
    stated = says(proxy.labels) or read.get(_said_by, proxy.namespace)
    stated = stated or read.get(_said_by, read.get(mesh).root_namespace)
    if stated != ON_DEMAND or read.get(_wants_all, by):
        return False
    found = sidecar(read, scope.sidecar)
    return found is None or not any(entry.bind for entry in found.egress)


def _said_by(read: Read, namespace: str) -> str:
    found: Namespace | None = read.first(Table.NAMESPACE, namespace)
    return says(found.labels) if found is not None else ""


def _wants_all(read: Read, by: AskedBy) -> bool:
    found: Demand | None = read.first(Table.DEMAND, by)
    return found is not None and found.all


def demanded_groups(read: Read, scope: Scope, by: AskedBy, labels: Labels) -> tuple[Call, ...]:
    """The groups of what a workload has asked for, one a host; and of what its own policies and the skeleton need."""
    found: Demand | None = read.first(Table.DEMAND, by)
    hosts = found.hosts if found is not None else ()
    needed = [call(needed_leaves, scope, by.namespace, labels), call(bound_leaves, scope)]
    if found is not None and found.turns:
        needed.append(call(expired_leaves, found.turns))
    return (*needed, *(call(asked_leaves, scope, each) for each in hosts))


def expired_leaves(read: Read, turns: tuple[tuple[int, int], ...]) -> tuple[Call, ...]:
    """The route tables of ports whose hosts are to be asked for anew, in place of those that all proxies have."""
    return tuple(call(asked_table, port, turn) for port, turn in turns)


def needed_leaves(read: Read, scope: Scope, namespace: str, labels: Labels) -> tuple[Call, ...]:
    """The clusters that are used without being asked for: of policies' services, and where all the rest goes."""
    hosts = set(read.get(named_hosts, namespace, labels))
    proxy = read.get(beyond, scope.sidecar).proxy
    hosts |= {proxy.host} if proxy is not None else set()
    return _clusters(read, scope, sorted(hosts))


def asked_leaves(read: Read, scope: Scope, asked: Asked) -> tuple[Call, ...]:
    """The leaves of one host that was asked for: its virtual host, the clusters that it leads to, their endpoints."""
    wanted = _called(read, scope, asked)
    own = call(asked_host, asked, wanted, read.get(beyond, scope.sidecar))
    if wanted is None:
        return (own,)
    return (*_clusters(read, scope, [target.host for target in wanted.targets]), own)


def asked_host(read: Read, asked: Asked, wanted: HostRoutes | None, unknown: Beyond) -> tuple[VirtualHostSpec, ...]:
    """The virtual host of a name that was asked for."""
    table = names.port_routes(asked.port)
    if wanted is None:
        found = unknown_hosts(read, table, unknown)
    else:
        (found,) = read.get(virtual_host, table, wanted)
    return (replace(found, name=f"{table}/{asked.host}", domains=(asked.host,)),)


def _clusters(read: Read, scope: Scope, hosts: list[str]) -> tuple[Call, ...]:
    leaves: list[Call] = []
    for host in hosts:
        service = resolved_service(read, host, scope.home)
        if service is not None:
            leaves += read.get(cluster_leaves, service.key, scope)
    return tuple(dict.fromkeys(leaves))


def _called(read: Read, scope: Scope, asked: Asked) -> HostRoutes | None:
    """What decides the routes to the host that a caller calls so, None where nobody knows it."""
    table = names.port_routes(asked.port)
    for hostname in dict.fromkeys(_candidates(read, scope, asked.host)):
        service = best_service(read, hostname, scope.home)
        if service is None or not reaches(read, scope, hostname):
            continue
        ports = reached_ports(read, service.key, scope)
        if not any(port.number == asked.port and port.protocol.is_http for port in ports):
            continue
        wanted = read.get(host_routes, service.key, asked.port, seen_by(scope, service.key))
        (found,) = read.get(virtual_host, table, wanted)
        if any(matches(domain, asked.host) for domain in found.domains):
            return wanted
    foreign = read.get(foreign_hosts, scope) if asked.port == FOREIGN_PORT else ()
    exact = [each for each in foreign if each.host == asked.host]
    wide = sorted((each for each in foreign if matches(each.host, asked.host)), key=lambda each: -len(each.host))
    return next(iter((*exact, *wide)), None)


def _candidates(read: Read, scope: Scope, host: str) -> Iterator[str]:
    """The full names that a host may stand for, the most precise first."""
    yield from _forms(read, scope, host)
    rows: tuple[Service, ...] = read.rows(Table.VIRTUAL_ADDRESS, host.strip("[]"))
    yield from (row.hostname for row in rows)
    _, dot, rest = host.partition(".")
    while dot:
        yield f"*.{rest}"
        yield from _forms(read, scope, rest)  # a headless service's pods have names below its own
        _, dot, rest = rest.partition(".")


def _forms(read: Read, scope: Scope, host: str) -> Iterator[str]:
    domain, name = read.get(mesh).domain, host.rstrip(".")
    yield host
    yield name
    yield f"{name}.{scope.namespace}.svc.{domain}"
    yield f"{name}.svc.{domain}"
    yield f"{name}.{domain}"
