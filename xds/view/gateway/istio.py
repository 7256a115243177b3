"""What Istio's Gateways say: their servers, and the VirtualServices that are bound to them.

Source: istio-semantics 1.1 (the gateway column) and 1.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from xds.model.gateway import (
    Binding,
    BoundConnection,
    BoundHost,
    BoundRoute,
    EdgeTlsMode,
    Gateway,
    Server,
    gateway_ref,
)
from xds.model.labels import NO_LABELS, Labels
from xds.model.refs import ObjectRef
from xds.model.route import ConnectionMatch, Match, RequestMatch, SourceMatch, VirtualService
from xds.model.snapshot import Table
from xds.view.attach import matches
from xds.view.delegates import http_routes
from xds.view.graph import Read
from xds.view.scope import mesh, visible

_EVERYTHING = RequestMatch()


class Viewer(NamedTuple):
    """The router that routes are looked up for: its namespace, and those of its labels that routes ask callers for."""

    namespace: str
    labels: Labels = NO_LABELS


def servers(read: Read, gateway: ObjectRef) -> tuple[Server, ...]:
    """The servers of a Gateway, in its order."""
    found: Gateway | None = read.first(Table.GATEWAY, gateway)
    return found.servers if found is not None else ()


def host_names(read: Read, gateway: ObjectRef, server: Server, viewer: Viewer) -> tuple[str, ...]:
    """The hosts of a server that VirtualServices route, sorted."""
    return tuple(sorted(read.get(_owners, gateway, server, viewer)))


def host_routes(read: Read, gateway: ObjectRef, server: Server, viewer: Viewer, host: str) -> BoundHost:
    """The routes of a host: of all VirtualServices that route it, the oldest's first.

    A route without conditions comes after all others, wherever it was written, and nothing after that.
    """
    found: list[BoundRoute] = []
    for ref in read.get(_owners, gateway, server, viewer).get(host, ()):
        routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, ref)
        if routed is not None:
            found += _alternatives(read, routed, (gateway, server, viewer))
    return BoundHost(host, catch_all_last(found))


def _owners(read: Read, gateway: ObjectRef, server: Server, viewer: Viewer) -> dict[str, tuple[ObjectRef, ...]]:
    """The VirtualServices of each host; comes out equal while only their routes change."""
    found: dict[str, list[ObjectRef]] = {}
    for each in bound(read, gateway, viewer.namespace):
        for host in common_hosts(server, each.of.namespace, each.hosts) if each.http else ():
            found.setdefault(host, []).append(each.of)
    return {host: tuple(refs) for host, refs in found.items()}


def catch_all_last(routes: Iterable[BoundRoute]) -> tuple[BoundRoute, ...]:
    """The routes in their order, then the first of those without conditions."""
    known = tuple(routes)
    last = next((each for each in known if each.match.request == _EVERYTHING), None)
    narrow = tuple(each for each in known if each.match.request != _EVERYTHING)
    return (*narrow, last) if last is not None else narrow


def connections(read: Read, gateway: ObjectRef, server: Server, viewer: Viewer) -> tuple[BoundConnection, ...]:
    """Where the connections of a server go: by SNI where TLS is passed on, else as ``tcp`` routes say."""
    passed = server.tls is not None and server.tls.mode is EdgeTlsMode.PASSTHROUGH
    found: list[BoundConnection] = []
    for each in bound(read, gateway, viewer.namespace):
        if not each.connections or not common_hosts(server, each.of.namespace, each.hosts):
            continue
        routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, each.of)
        if routed is None:
            continue
        for route in routed.tls if passed else routed.tcp:
            for match in route.matches or (ConnectionMatch(),):
                if not _holds(match.source, routed, (gateway, server, viewer)):
                    continue
                names = tuple(_within(server, routed, match.sni_hosts)) if passed else ()
                if names or not passed:
                    wanted = ConnectionMatch(names, match.destination_subnets)
                    found.append(BoundConnection(routed.ref, wanted, route.destinations))
    return tuple(found)


def _within(server: Server, routed: VirtualService, names: Iterable[str]) -> Iterator[str]:
    hosts = [each.host for each in server.hosts if each.namespace in ("*", routed.ref.namespace)]
    for name in names:
        yield from dict.fromkeys(common for host in hosts if (common := _narrower(host, name)))


def bound(read: Read, gateway: ObjectRef, namespace: str) -> tuple[Binding, ...]:
    """The VirtualServices that name a Gateway and are exported to its router's namespace, the oldest first."""
    rows: tuple[Binding, ...] = read.rows(Table.BOUND, gateway)
    default = read.get(mesh).default_virtual_service_export_to
    seen = (each for each in rows if visible(each.export_to or default, each.of.namespace, namespace))
    return tuple(sorted(seen, key=lambda each: (each.created, each.of.name, each.of.namespace)))


def common_hosts(server: Server, namespace: str, hosts: tuple[str, ...]) -> tuple[str, ...]:
    """The hosts that a server takes and a VirtualService of a namespace routes, each as the narrower of the two is."""
    found = [
        common
        for taken in server.hosts
        if taken.namespace in ("*", namespace)
        for host in hosts
        if (common := _narrower(taken.host, host))
    ]
    return tuple(dict.fromkeys(found))


def _narrower(one: str, other: str) -> str:
    if matches(one, other):
        return other
    return one if matches(other, one) else ""


_Place = tuple[ObjectRef, Server, Viewer]


def _alternatives(read: Read, routed: VirtualService, place: _Place) -> Iterator[BoundRoute]:
    for authored, route in http_routes(read, routed):
        for match in route.matches or (Match(),):
            if _holds(match.source, routed, place):
                yield BoundRoute(authored, route, match, routed.ref if authored != routed.ref else None)


def _holds(source: SourceMatch, routed: VirtualService, place: _Place) -> bool:
    gateway, server, viewer = place
    named = source.gateways or routed.gateways
    if not any(gateway_ref(name, routed.ref.namespace) == gateway for name in named):
        return False
    if source.port and source.port != server.port:
        return False
    if source.gateways:  # then the caller is what comes in there, and nobody knows its labels
        return True
    return source.namespace in ("", viewer.namespace) and source.labels <= viewer.labels
