"""What Istio's Gateways say: their servers, and the VirtualServices that are bound to them.

Source: istio-semantics 1.1 (the gateway column) and 1.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

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
from xds.model.route import ConnectionMatch, ConnectionRoute, Match, RequestMatch, SourceMatch, VirtualService
from xds.model.snapshot import Table
from xds.view.attach import matches
from xds.view.delegates import MOST_ROUTES, http_routes, parts
from xds.view.graph import Read
from xds.view.scope import mesh, visible

_EVERYTHING = RequestMatch()
_MOST_AT_SERVER: Final = 65_536  # routes of all hosts of one server: its routers hold, and are sent, each


class Viewer(NamedTuple):
    """The router that routes are looked up for: its namespace, and those of its labels that routes ask callers for."""

    namespace: str
    labels: Labels = NO_LABELS


def servers(read: Read, gateway: ObjectRef) -> tuple[Server, ...]:
    """The servers of a Gateway, in its order."""
    found: Gateway | None = read.first(Table.GATEWAY, gateway)
    return found.servers if found is not None else ()


def host_names(read: Read, gateway: ObjectRef, server: Server, viewer: Viewer) -> tuple[str, ...]:
    """The hosts of a server that VirtualServices route, sorted.

    One without a route that holds here is none of them: as in Istio, what a wildcard says then holds for it.
    """
    owners = read.get(_owners, gateway, server, viewer)
    return tuple(sorted(host for host in owners if read.get(_is_routed, gateway, server, viewer, host)))


def _is_routed(read: Read, gateway: ObjectRef, server: Server, viewer: Viewer, host: str) -> bool:
    return bool(read.get(host_routes, gateway, server, viewer, host).routes)


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
    return read.get(_admitted, gateway, server, viewer.namespace).owners


class _Admitted(NamedTuple):
    """Who routes each host of a server, and whose routes would be too many for it."""

    owners: dict[str, tuple[ObjectRef, ...]]
    left_out: frozenset[ObjectRef]


def too_many(read: Read, gateway: ObjectRef, server: Server, namespace: str) -> frozenset[ObjectRef]:
    """The VirtualServices that a server leaves out, as its routes are too many with theirs; the oldest have them."""
    return read.get(_admitted, gateway, server, namespace).left_out


def _admitted(read: Read, gateway: ObjectRef, server: Server, namespace: str) -> _Admitted:
    found: dict[str, list[ObjectRef]] = {}
    left_out: set[ObjectRef] = set()
    room = _MOST_AT_SERVER
    for each in bound(read, gateway, namespace):
        hosts = common_hosts(server, each.of.namespace, each.hosts) if each.http else ()
        size = len(hosts) * read.get(_size, each.of)
        if size > min(room, MOST_ROUTES):
            left_out.add(each.of)
            continue
        room -= size
        for host in hosts:
            found.setdefault(host, []).append(each.of)
    return _Admitted({host: tuple(refs) for host, refs in found.items()}, frozenset(left_out))


def _size(read: Read, ref: ObjectRef) -> int:
    """How many routes a VirtualService comes to on each of its hosts; comes out equal while their content changes."""
    routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, ref)
    return sum(part.size for part in parts(read, routed) if part.fits) if routed is not None else 0


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
        for route, match in _connection_matches(routed, passed=passed):
            names = tuple(_within(server, routed, match.sni_hosts)) if passed else ()
            if _holds(match.source, routed, (gateway, server, viewer)) and bool(names) is passed:
                wanted = ConnectionMatch(names, match.destination_subnets)
                found.append(BoundConnection(routed.ref, wanted, route.destinations))
    return tuple(found)


def _connection_matches(routed: VirtualService, *, passed: bool) -> Iterator[tuple[ConnectionRoute, ConnectionMatch]]:
    for route in routed.tls if passed else routed.tcp:
        for match in route.matches or (ConnectionMatch(),):
            yield route, match


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
