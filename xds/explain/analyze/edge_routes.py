"""What does not hold at the edge of the mesh: routes to subsets inside, and certificates that two gateways show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile

from xds.model.gateway import EdgeTlsMode, Gateway, GatewaySelector, Server, gateway_ref
from xds.model.labels import Labels
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.route import VirtualService
from xds.model.snapshot import Table
from xds.view.graph import Read

Shown = Mapping[tuple[int, str], tuple[tuple[ObjectRef, Server], ...]]

_MESH = "mesh"
_TERMINATED = frozenset({EdgeTlsMode.SIMPLE, EdgeTlsMode.MUTUAL, EdgeTlsMode.OPTIONAL_MUTUAL})


def check_gateway(read: Read, ref: ObjectRef) -> tuple[Problem, ...]:
    """The servers of a gateway whose certificate an older one shows for other hosts, at the same port and router.

    Browsers use a connection that they have for each host of its certificate (RFC 9113, 9.1.1): what is asked there is
    of the other server, which has no route for it.
    """
    gateway: Gateway | None = read.first(Table.GATEWAY, ref)
    own: GatewaySelector | None = read.get(selectors).get(ref)
    if gateway is None or own is None or not any(map(_certificates, gateway.servers)):
        return ()
    shown: Shown = read.get(certificates_shown, own.selector, own.namespace)
    return tuple(_same(gateway, shown))


def selectors(read: Read) -> dict[ObjectRef, GatewaySelector]:
    """For which routers each gateway is."""
    rows: tuple[GatewaySelector, ...] = read.rows(Table.GATEWAY_SELECTOR, "")
    return {each.of: each for each in rows}


def certificates_shown(read: Read, selector: Labels, namespace: str) -> Shown:
    """Who shows a certificate on the routers of that selector, by port and name: a server a gateway, oldest first."""
    found: dict[tuple[int, str], dict[ObjectRef, Server]] = {}
    for of, row in read.get(selectors).items():
        alike = (row.selector, row.namespace) == (selector, namespace)
        gateway: Gateway | None = read.first(Table.GATEWAY, of) if alike else None
        servers = gateway.servers if gateway is not None else ()
        for server, name in ((each, name) for each in servers for name in _certificates(each)):
            found.setdefault((server.port, name), {}).setdefault(of, server)
    return {key: tuple(each.items()) for key, each in found.items()}


def _same(gateway: Gateway, shown: Shown) -> Iterator[Problem]:
    for index, server in enumerate(gateway.servers):
        for name in sorted(_certificates(server)):
            older = takewhile(lambda each: each[0] != gateway.ref, shown[server.port, name])
            of = next((of for of, rival in older if _hosts(rival) != _hosts(server)), None)
            if of is not None:
                at = FieldRef(gateway.ref, ("spec", "servers", index, "tls", "credentialName"))
                message = (
                    f"shows {name}, as {of} does for other hosts of port {server.port}: a browser that has a "
                    "connection for those asks on it for these too, and gets 404; put the hosts into one server"
                )
                yield Problem(at, "gateway.certificate-shared", message, Severity.WARNING)


def _hosts(server: Server) -> set[str]:
    return {each.host for each in server.hosts}


def _certificates(server: Server) -> set[str]:
    tls = server.tls
    if tls is None or tls.mode not in _TERMINATED:
        return set()
    return {each.name for each in tls.certificates} | {certificate for certificate, _ in tls.pairs}


def check_subsets(read: Read, ref: ObjectRef) -> tuple[Problem, ...]:
    """The routes from a gateway to a host whose subsets only a VirtualService for the mesh tells apart."""
    routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, ref)
    if routed is None or all(name == _MESH for name in routed.gateways):
        return ()
    found: list[Problem] = []
    for index, route in enumerate(routed.http):
        for number, share in enumerate(route.destinations):
            host, subset = share.destination.host, share.destination.subset
            other = None if subset else _split(read, routed, host)
            if other is not None:
                at = FieldRef(ref, ("spec", "http", index, "route", number, "destination", "host"))
                message = (
                    f"{other.ref} sends requests for {host} to subsets, but not those from a gateway: name the "
                    "gateway there too, or the subset here"
                )
                found.append(Problem(at, "virtual-service.subsets-of-mesh", message, Severity.INFO))
    return tuple(found)


def _split(read: Read, routed: VirtualService, host: str) -> VirtualService | None:
    """The VirtualService that sends the mesh's requests for a host to subsets of it, if it is another."""
    rows: tuple[VirtualService, ...] = read.rows(Table.ROUTED_HOST, host)
    winner = rows[0] if rows else None
    if winner is None or winner.ref == routed.ref or _serves(winner, routed):
        return None
    shares = (share.destination for route in winner.http for share in route.destinations)
    return winner if any(each.host == host and each.subset for each in shares) else None


def _serves(winner: VirtualService, routed: VirtualService) -> bool:
    """Whether it is for one of the same gateways."""
    mine = {gateway_ref(name, routed.ref.namespace) for name in routed.gateways if name != _MESH}
    return any(gateway_ref(name, winner.ref.namespace) in mine for name in winner.gateways if name != _MESH)
