"""What Sidecar objects leave of the mesh: which services they let through, and what becomes of the rest."""

from __future__ import annotations

from typing import Final

from xds.model.mesh import Beyond
from xds.model.refs import ObjectRef
from xds.model.route import VirtualService
from xds.model.service import Service, ServiceKey
from xds.model.sidecar import ANY, Egress, HostsOf, Sidecar
from xds.model.snapshot import Table
from xds.view.delegates import hosts_routed
from xds.view.gateway_api import mesh_routes
from xds.view.graph import Read
from xds.view.scope import Scope, best_service, mesh, visible, visible_services
from xds.view.sidecar_at import sidecar

_ALL: Final = HostsOf(ANY, ANY)


def own_namespace(found: Sidecar, home: str) -> str:
    """The namespace that a Sidecar calls its callers' own."""
    return home or found.ref.namespace


def reached_services(read: Read, scope: Scope) -> tuple[ServiceKey, ...]:
    """Every service that callers of a scope see and their Sidecar lets them reach, one a host name, sorted."""
    if scope.sidecar is None:
        return read.get(visible_services, scope.home)
    return read.get(imported, scope.home, scope.sidecar)


def captured_on(read: Read, scope: Scope, key: ServiceKey, port: int) -> bool:
    """Whether connections to a port of a service are routed where they are captured, not elsewhere or not at all."""
    found = sidecar(read, scope.sidecar)
    return found is None or found.captured(*key, own_namespace(found, scope.home), port)


def reaches(read: Read, scope: Scope, hostname: str) -> bool:
    """Whether a host name is that of a service which callers of a scope reach."""
    if scope.sidecar is None:
        return best_service(read, hostname, scope.home) is not None
    return hostname in read.get(_imported_names, scope.home, scope.sidecar)


def _imported_names(read: Read, home: str, of: ObjectRef) -> frozenset[str]:
    return frozenset(key.hostname for key in read.get(imported, home, of))


def imported(read: Read, home: str, of: ObjectRef) -> tuple[ServiceKey, ...]:
    """The services that a Sidecar lets through, and those that the routes lead to which it lets through; sorted."""
    found = sidecar(read, of)
    if found is None:
        return ()
    if any(_ALL in entry.hosts and not entry.excluded for entry in found.egress):
        return read.get(visible_services, home)
    services: dict[str, ServiceKey] = {}
    for hostname in _candidates(read, found, home):
        best = _best(read, hostname, found, home)
        if best is not None:
            services[hostname] = best
    by_routes = (host for key in tuple(services.values()) for host in read.get(mesh_routes.led_to, key, home))
    for hostname in (*read.get(led_to, home, of), *by_routes):
        service = best_service(read, hostname, home)
        if service is not None:
            services.setdefault(hostname, service.key)
    return tuple(sorted(services.values()))


def _best(read: Read, hostname: str, found: Sidecar, home: str) -> ServiceKey | None:
    rows: tuple[Service, ...] = read.rows(Table.HOST, hostname)
    default, own = read.get(mesh).default_service_export_to, own_namespace(found, home)
    seen = [
        row.key
        for row in rows
        if visible(row.export_to or default, row.namespace, home) and found.imports(hostname, row.namespace, own)
    ]
    return next((key for key in seen if key.namespace == own), seen[0] if seen else None)


def _candidates(read: Read, found: Sidecar, home: str) -> set[str]:
    hosts: set[str] = set()
    for entry in found.egress:
        for each in entry.hosts:
            if not each.host.startswith(ANY):
                hosts.add(each.host)
                continue
            own = own_namespace(found, home)
            namespace = own if each.namespace == "." else each.namespace
            known = read.keys(Table.HOST) if namespace == ANY else read.get(hosts_of, namespace)
            hosts.update(host for host in known if host.endswith(each.host[1:]))
    return hosts


def _by_namespace(read: Read) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    keys: tuple[ServiceKey, ...] = read.keys(Table.SERVICE)
    for hostname, namespace in keys:
        found.setdefault(namespace, []).append(hostname)
    return {namespace: tuple(hosts) for namespace, hosts in found.items()}


def hosts_of(read: Read, namespace: str) -> tuple[str, ...]:
    """The host names of a namespace's services, sorted; the same while other namespaces' come and go."""
    return read.get(_by_namespace).get(namespace, ())


def lets_route(read: Read, home: str, of: ObjectRef | None, routed: VirtualService) -> bool:
    """Whether a Sidecar lets its callers see a VirtualService: one of its hosts is among those of an entry, or they
    among it.
    """
    found = sidecar(read, of)
    if found is None:
        return True
    own = own_namespace(found, home)
    return any(_overlaps(entry, host, routed.ref.namespace, own) for entry in found.egress for host in routed.hosts)


def _overlaps(entry: Egress, host: str, namespace: str, own: str) -> bool:
    if entry.imports(host, namespace, own):
        return True
    if not host.startswith(ANY):
        return False
    return any(
        each.namespace in (ANY, namespace) or (each.namespace == "." and own == namespace)
        for each in entry.hosts
        if each.host.endswith(host[1:])
    )


def led_to(read: Read, home: str, of: ObjectRef) -> frozenset[str]:
    """The hosts that the VirtualServices lead to which a Sidecar lets through, and where it sends all the rest."""
    default = read.get(mesh).default_virtual_service_export_to
    hosts: set[str] = set()
    for host in read.keys(Table.ROUTED_HOST):
        for routed in read.rows(Table.ROUTED_HOST, host):
            seen = visible(routed.export_to or default, routed.ref.namespace, home)
            if seen and lets_route(read, home, of, routed):
                hosts |= read.get(destinations, routed.ref)
    proxy = beyond(read, of).proxy
    return frozenset(hosts | {proxy.host}) if proxy is not None else frozenset(hosts)


def destinations(read: Read, of: ObjectRef) -> frozenset[str]:
    """The hosts that a VirtualService leads to, by its delegates, too."""
    routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, of)
    if routed is None:
        return frozenset()
    hosts = hosts_routed(read, routed)
    hosts.update(share.destination.host for each in (*routed.tls, *routed.tcp) for share in each.destinations)
    return frozenset(hosts)


def beyond(read: Read, of: ObjectRef | None) -> Beyond:
    """What becomes of calls to places that callers with that Sidecar do not know."""
    found = sidecar(read, of)
    return found.beyond if found is not None and found.beyond is not None else read.get(mesh).beyond
