"""VirtualServices: hosts, matches and destinations; what is done on the way is the features' business."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xds.decoders.addresses import canonical
from xds.decoders.http_match import match
from xds.decoders.row import Authored, Row
from xds.kinds.destination import Destination as DestinationStruct
from xds.kinds.http_route import HTTPRoute, HTTPRouteDestination
from xds.kinds.l4_route import L4MatchAttributes, RouteDestination, TCPRoute, TLSMatchAttributes, TLSRoute
from xds.kinds.virtual_service import VirtualService as Struct
from xds.model.gateway import Binding, gateway_ref
from xds.model.labels import labels
from xds.model.policy import NO_POLICIES, Answering
from xds.model.refs import FieldRef
from xds.model.route import (
    ConnectionMatch,
    ConnectionRoute,
    Destination,
    HttpRoute,
    Match,
    SourceMatch,
    VirtualService,
    WeightedDestination,
)
from xds.model.snapshot import Input, Table
from xds.translators.decode_policies import decode_policies
from xds.translators.feature import HTTP_ROUTE, HTTP_ROUTE_DESTINATION, Reading

MESH = "mesh"
_MOST_ROUTES = 32_768  # of all hosts together: every proxy holds each for each (with delegates: xds.view.delegates)
_LARGEST_TOTAL = 4_294_967_295  # Envoy's


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of a VirtualService: by name, and by each host that it routes for sidecars."""
    struct: Struct = authored.struct
    spec, reading, at = struct.spec, authored.reading, authored.spec
    hosts = tuple(dict.fromkeys(_host(host, at / "hosts" / i, reading) for i, host in enumerate(spec.hosts)))
    total = len(hosts) * sum(len(route.match) or 1 for route in spec.http)
    if total > _MOST_ROUTES:
        message = f"times matches of http must be {_MOST_ROUTES} at most, as each is made for each host; are {total}"
        reading.error(at / "hosts", "virtual-service.size", message)
    gateways = spec.gateways or (MESH,)
    routed = VirtualService(
        ref=authored.ref,
        hosts=hosts,
        gateways=gateways,
        export_to=spec.export_to,
        http=tuple(_http(route, at / "http" / i, reading) for i, route in enumerate(spec.http)),
        tls=tuple(_tls(route, (*spec.hosts, *hosts), at / "tls" / i, reading) for i, route in enumerate(spec.tls)),
        tcp=tuple(_tcp(route, at / "tcp" / i, reading) for i, route in enumerate(spec.tcp)),
        created=authored.created,
    )
    if not (routed.http or routed.tls or routed.tcp):
        authored.found.add(at, "virtual-service.empty", "must have an http, tls or tcp route")
    yield from _rows(routed)


def _rows(routed: VirtualService) -> Iterator[Row]:
    yield Row(Input(Table.VIRTUAL_SERVICE, routed.ref), routed)
    own = routed.ref.namespace
    for namespace in routed.export_to:
        if namespace not in ("*", "~"):
            yield Row(Input(Table.HOME, own if namespace == "." else namespace), routed.ref)
    yield from _bound(routed)
    matches = _sources(routed)
    for source in matches:
        for key, _ in sorted(source.labels):
            yield Row(Input(Table.SELECTOR_KEY, key), routed.ref)
        if source.namespace:
            yield Row(Input(Table.HOME, source.namespace), routed.ref)
    if MESH not in routed.gateways and not any(MESH in source.gateways for source in matches):
        return
    for host in routed.hosts:
        yield Row(Input(Table.ROUTED_HOST, host), routed)
        if host.startswith("*"):
            yield Row(Input(Table.ROUTED_WILDCARD, ""), host)


def _bound(routed: VirtualService) -> Iterator[Row]:
    """A row for each gateway that is named."""
    of_matches = (name for source in _sources(routed) for name in source.gateways)
    binding = Binding(
        routed.created,
        routed.ref,
        routed.hosts,
        routed.export_to,
        http=bool(routed.http),
        connections=bool(routed.tls or routed.tcp),
    )
    for name in dict.fromkeys((*routed.gateways, *of_matches)):
        if name != MESH:
            yield Row(Input(Table.BOUND, gateway_ref(name, routed.ref.namespace)), binding)


def _sources(routed: VirtualService) -> list[SourceMatch]:
    found = [match.source for route in routed.http for match in route.matches]
    return [*found, *(match.source for route in (*routed.tls, *routed.tcp) for match in route.matches)]


def _host(host: str, at: FieldRef, reading: Reading) -> str:
    if not host or ("*" in host and host != "*" and not (host.startswith("*.") and "*" not in host[2:])):
        reading.error(at, "host.wildcard", f"must be a host name, *. and a domain, or *, is {host!r}")
    elif any(character.isspace() or character in "/:" for character in host):
        reading.error(at, "host.name", f"must be a host name without scheme or port, is {host!r}")
    return reading.fqdn(host)


def _http(route: HTTPRoute, at: FieldRef, reading: Reading) -> HttpRoute:
    policies = decode_policies(HTTP_ROUTE, route, at, reading)
    answered = any(policy.answers for policy in policies.that(Answering))
    delegate = (route.delegate.namespace, route.delegate.name) if route.delegate is not None else None
    if delegate is not None and route.route:
        reading.error(at / "delegate", "delegate.and-route", "excludes route; leave one of them out")
    elif delegate is not None and not delegate[1]:
        reading.error(at / "delegate.name", "delegate.name", "must name a VirtualService")
    elif not route.route and not answered and delegate is None:
        reading.error(at / "route", "route.missing", "must have a destination (or redirect, directResponse, delegate)")
    alternatives = tuple(match(each, at / "match" / i, reading) for i, each in enumerate(route.match))
    return HttpRoute(
        name=route.name,
        matches=alternatives or (Match(stated=at.path),),
        destinations=_destinations(route.route, at / "route", reading),
        policies=policies,
        delegate=delegate,
    )


def _destinations(
    shares: Sequence[HTTPRouteDestination | RouteDestination], at: FieldRef, reading: Reading
) -> tuple[WeightedDestination, ...]:
    if len(shares) > 1 and not any(share.weight for share in shares):
        reading.error(at, "route.weights", "must have a weight above 0, all are 0")
    if sum(share.weight for share in shares) > _LARGEST_TOTAL:
        reading.error(at, "route.weights", f"must have weights of {_LARGEST_TOTAL} together at most")
    found = []
    for index, share in enumerate(shares):
        here = at / index
        policies = NO_POLICIES
        if isinstance(share, HTTPRouteDestination):
            policies = decode_policies(HTTP_ROUTE_DESTINATION, share, here, reading)
        found.append(WeightedDestination(destination(share.destination, here, reading), share.weight, policies))
    return tuple(found)


def destination(struct: DestinationStruct, at: FieldRef, reading: Reading) -> Destination:
    """A destination with its host in full; a wildcard may be that of a ServiceEntry whose hosts Envoy resolves."""
    if "*" in struct.host and (not struct.host.startswith("*.") or "*" in struct.host[1:]):
        message = f"must be one host, or `*.` and the rest of a ServiceEntry's, is {struct.host!r}"
        reading.error(at / "destination.host", "destination.wildcard", message)
    return Destination(reading.fqdn(struct.host), struct.subset, struct.port.number if struct.port is not None else 0)


def _tls(route: TLSRoute, hosts: tuple[str, ...], at: FieldRef, reading: Reading) -> ConnectionRoute:
    matches = []
    for index, each in enumerate(route.match):
        here = at / "match" / index
        sni = tuple(_sni(host, hosts, here / "sniHosts" / i, reading) for i, host in enumerate(each.sni_hosts))
        matches.append(ConnectionMatch(sni, _subnets(each, here, reading), _source(each)))
    return ConnectionRoute(tuple(matches), _connection_shares(route.route, at, reading))


def _sni(host: str, hosts: tuple[str, ...], at: FieldRef, reading: Reading) -> str:
    """A server name in lower case, as Envoy compares it; within the hosts of the rule."""
    if "*" in host and host != "*" and not (host.startswith("*.") and "*" not in host[2:]):
        reading.error(at, "host.wildcard", f"must be a host name, *. and a domain, or *, is {host!r}")
    elif not any(host.lower() == each or (each.startswith("*") and host.lower().endswith(each[1:])) for each in hosts):
        reading.error(at, "sni.not-a-host", f"must be one of the rule's hosts, or within one, is {host!r}")
    return host.lower()


def _tcp(route: TCPRoute, at: FieldRef, reading: Reading) -> ConnectionRoute:
    matches = tuple(
        ConnectionMatch((), _subnets(each, at / "match" / index, reading), _source(each))
        for index, each in enumerate(route.match)
    )
    for index, each in enumerate(route.match):
        if each.source_subnet:
            where = at / "match" / index / "sourceSubnet"
            reading.warning(where, "tcp.source-subnet", "has no effect, as in Istio; use sourceLabels")
    return ConnectionRoute(matches, _connection_shares(route.route, at, reading))


def _subnets(match: TLSMatchAttributes | L4MatchAttributes, at: FieldRef, reading: Reading) -> tuple[str, ...]:
    """The subnets that the client dialled, each in its canonical form."""
    found = []
    for index, text in enumerate(match.destination_subnets):
        subnet = canonical(text)
        if subnet is None:
            message = f"must be an IP address or subnet, is {text!r}"
            reading.error(at / "destinationSubnets" / index, "address.invalid", message)
        found.append(subnet or text)
    return tuple(dict.fromkeys(found))


def _source(match: TLSMatchAttributes | L4MatchAttributes) -> SourceMatch:
    return SourceMatch(match.port, match.source_namespace, labels(match.source_labels), match.gateways)


def _connection_shares(
    shares: Sequence[RouteDestination], at: FieldRef, reading: Reading
) -> tuple[WeightedDestination, ...]:
    if not shares:
        reading.error(at / "route", "route.missing", "must have a destination")
    return _destinations(shares, at / "route", reading)
