"""What a Gateway of the Gateway API tells its routers, in the words of every gateway: servers, hosts, connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from xds.model.gateway import BoundConnection, BoundHost, BoundRoute, CredentialName, EdgeTls, EdgeTlsMode, Server
from xds.model.gateway import ServerHost as Host
from xds.model.gateway_api import ApiRoute, Listener, Reference
from xds.model.policy import NO_POLICIES
from xds.model.refs import ObjectRef
from xds.model.route import ConnectionMatch, HttpRoute, Match, RequestMatch
from xds.model.service import Protocol
from xds.model.snapshot import Table
from xds.view.gateway_api.alternatives import Entrance, alternatives, connection_shares
from xds.view.gateway_api.attachment import attached_routes
from xds.view.gateway_api.listeners import PASSTHROUGH, ListenerState, has_authorities, listener_states, our_gateway
from xds.view.gateway_api.precedence import meeting, ordered, precision
from xds.view.graph import Read

ANY = "*"
_EVERYTHING = RequestMatch()
_MOST_AT_LISTENER: Final = 65_536  # routes of all hosts together: its routers hold, and are sent, each
_PROTOCOLS = {
    "HTTP": Protocol.HTTP,
    "HTTPS": Protocol.HTTPS,
    "TLS": Protocol.TLS,
    "TCP": Protocol.TCP,
}


def servers(read: Read, gateway: ObjectRef) -> tuple[Server, ...]:
    """The servers of a Gateway: one a listener that is valid and in conflict with none, in the Gateway's order."""
    states = read.get(listener_states, gateway)
    return tuple(_server(read, state.listener, gateway.namespace) for state in states if state.served)


def _server(read: Read, listener: Listener, home: str) -> Server:
    return Server(
        section=listener.section,
        port=listener.port,
        protocol=_PROTOCOLS[listener.protocol],
        hosts=(Host(listener.hostname or ANY),),
        tls=_tls(read, listener, home) if listener.protocol in ("HTTPS", "TLS") else None,
    )


def _tls(read: Read, listener: Listener, home: str) -> EdgeTls:
    if listener.mode == PASSTHROUGH:
        by_itself = listener.option == EdgeTlsMode.AUTO_PASSTHROUGH.value
        return EdgeTls(EdgeTlsMode.AUTO_PASSTHROUGH if by_itself else EdgeTlsMode.PASSTHROUGH)
    certificates = tuple(_credential(each, home) for each in listener.certificates)
    if listener.clients is None:
        return EdgeTls(EdgeTlsMode(listener.option or "SIMPLE"), certificates)
    usable = (each for each in listener.clients if read.get(has_authorities, each.namespace, each.name))
    believed = next((_credential(each, home, config_map=True) for each in usable), None)
    mode = EdgeTlsMode.OPTIONAL_MUTUAL if listener.optional else EdgeTlsMode.MUTUAL
    return EdgeTls(mode, certificates, believed, unproven=listener.optional)


def _credential(to: Reference, home: str, *, config_map: bool = False) -> CredentialName:
    return CredentialName(to.name, to.namespace if to.namespace != home else "", config_map)


def http_hosts(read: Read, gateway: ObjectRef, server: Server) -> tuple[BoundHost, ...]:
    """The hosts of a listener for HTTP or HTTPS, with their routes in the order in which they are tried.

    The listener's own host is always there (``*`` where it names none), maybe without any route: requests for it that
    nothing matches are answered with 404. Hosts that another listener of the same port names more precisely are not;
    over TLS, where each listener has connections of its own, requests for others' hosts are answered with 421.
    """
    left_out = read.get(too_many, gateway, server)
    attached: dict[str, list[tuple[ApiRoute, str]]] = {}
    for ref, each in read.get(attached_routes, gateway, server.section):
        route = _route(read, ref)
        if route is not None and ref not in left_out:
            for both, own in each.hosts:
                attached.setdefault(both, []).append((route, own))
    stated = server.hosts[0].host
    mine = stated if stated != ANY else ""
    others = [state.listener.hostname for state in _siblings(read, gateway, server)]
    taken = [other for other in others if precision(other) < precision(mine)]
    hosts = {mine, *(both for both in attached if not any(meeting(other, both) == both for other in taken))}
    entrance = Entrance(server.port, tls=server.tls is not None)
    found = {host: BoundHost(host or ANY, tuple(_routes_of(read, host, attached, entrance))) for host in hosts}
    for other in others if server.tls is not None else ():
        found.setdefault(other, BoundHost(other or ANY, (_misdirected(read, gateway),)))
    return tuple(found[host] for host in sorted(found, key=lambda host: (precision(host), host)))


def too_many(read: Read, gateway: ObjectRef, server: Server) -> frozenset[ObjectRef]:
    """The routes that a listener leaves out, as its hosts times routes are too many with theirs; the oldest have them.

    The rules of a route for any host count on each of the hosts that it covers, whoever brought those.
    """
    attached = read.get(attached_routes, gateway, server.section)
    found = [(route, each) for ref, each in attached if (route := _route(read, ref)) is not None]
    written: Counter[str] = Counter()  # how many routes are written for a host or wildcard
    covered: Counter[str] = Counter()  # how many hosts a host or wildcard stands for
    known: set[str] = set()
    left_out: set[ObjectRef] = set()
    room = _MOST_AT_LISTENER
    for route, each in found:
        hosts = {both for both, _ in each.hosts}
        own, fresh = len(route.rules), hosts - known
        size = sum(own * covered[host] for host in hosts)
        size += sum(own + sum(written[wider] for wider in _covering(host)) for host in fresh)
        if size > room:
            left_out.add(route.ref)
            continue
        room -= size
        known |= fresh
        covered.update(wider for host in fresh for wider in _covering(host))
        written.update(dict.fromkeys(hosts, own))
    return frozenset(left_out)


def _misdirected(read: Read, ref: ObjectRef) -> BoundRoute:
    gateway = read.get(our_gateway, ref)
    policies = gateway.misdirected if gateway is not None else NO_POLICIES
    return BoundRoute(ref, HttpRoute("misdirected", (Match(),), (), policies), Match())


def _route(read: Read, ref: ObjectRef) -> ApiRoute | None:
    found: ApiRoute | None = read.first(Table.API_ROUTE, ref)
    return found


def _siblings(read: Read, gateway: ObjectRef, server: Server) -> Iterator[ListenerState]:
    for state in read.get(listener_states, gateway):
        listener = state.listener
        same = listener.port == server.port and _PROTOCOLS.get(listener.protocol) is server.protocol
        if same and listener.section != server.section and state.served:
            yield state


def _routes_of(
    read: Read, host: str, attached: Mapping[str, list[tuple[ApiRoute, str]]], entrance: Entrance
) -> Iterator[BoundRoute]:
    """The routes for one host: of those whose own host is more precise first, so that wider ones fill what they leave.

    Source: HTTPRouteSpec.hostnames, on intersecting hostnames.
    """
    covering = [pair for each in _covering(host) for pair in attached.get(each, ())]
    by_host: dict[str, list[tuple[ApiRoute, BoundRoute]]] = {}
    seen: set[ObjectRef] = set()
    for route, own in sorted(covering, key=lambda pair: precision(pair[1])):
        if route.ref not in seen:
            seen.add(route.ref)
            known = by_host.setdefault(own, [])
            known += [(route, bound) for bound in read.get(alternatives, route.ref, entrance)]
    for known in by_host.values():
        for bound in ordered(known):
            yield bound
            if bound.match.request == _EVERYTHING:
                return


def _covering(host: str) -> Iterator[str]:
    """The host, every wildcard that covers it, and that for any."""
    if host:
        yield host
        labels = host.split(".")
        wildcards = (f"*.{'.'.join(labels[count:])}" for count in range(1, len(labels)))
        yield from (each for each in wildcards if each != host)
    yield ""


def connections(read: Read, gateway: ObjectRef, server: Server) -> tuple[BoundConnection, ...]:
    """Where the connections of a listener for TLS or TCP go, the most precise SNI first; of one SNI the oldest route.

    Without SNI a connection is for any. A share that leads nowhere, or a route without backends, ends the connection.
    """
    found: dict[str, BoundConnection] = {}
    for ref, each in read.get(attached_routes, gateway, server.section):
        route = _route(read, ref)
        if route is None:
            continue
        shares = connection_shares(read, route, granted=False)
        for host, _ in each.hosts:
            match = ConnectionMatch(sni_hosts=(host,) if host else ())
            found.setdefault(host, BoundConnection(ref, match, shares))
    return tuple(found[host] for host in sorted(found, key=lambda host: (precision(host), host)))
