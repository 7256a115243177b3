"""What is said on each port of all addresses, over all services that a caller sees: what listeners must tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from xds.model.service import Protocol, Resolution, Service, ServiceKey
from xds.model.snapshot import Table
from xds.view import names
from xds.view.connection_chains import Claim
from xds.view.connections import branches, resolved_on
from xds.view.connections_reached import connection_routes, foreign_connections
from xds.view.graph import Read
from xds.view.listeners import PortClaims
from xds.view.routes import FOREIGN_PORT
from xds.view.scope import Scope
from xds.view.sidecars import captured_on, reached_services


def port_claims(read: Read, scope: Scope, foreign: bool) -> tuple[PortClaims, ...]:
    """What is said on each port of all addresses, over all services that ``calling`` sees, sorted by port.

    ``foreign`` is whether there are hosts of HTTP that no service has, too.
    """
    http: set[int] = {FOREIGN_PORT} if foreign else set()
    claimed: dict[int, dict[tuple[str, str], Claim]] = {}
    for key in reached_services(read, scope):
        for port in reached_ports(read, key, scope):
            if port.protocol.is_http:
                http.add(port.number)
            elif not port.addressed or port.subnets:
                _add(claimed, port.number, read.get(_claims, key, port, scope))
    for wanted in read.get(foreign_connections, scope):
        found = (
            Claim(branch.subnet, branch.sni, names.branch(wanted.name, *branch[:2]), branch.resolves)
            for branch in read.get(branches, wanted)
        )
        _add(claimed, wanted.port, found)
    return tuple(
        PortClaims(number, number in http, tuple(each for _, each in sorted(claimed.get(number, {}).items())))
        for number in sorted(http | claimed.keys())
        if number not in names.TAKEN_PORTS
    )


def _add(claimed: dict[int, dict[tuple[str, str], Claim]], port: int, claims: Iterable[Claim]) -> None:
    # Envoy refuses two chains of one match: the first has it.
    for claim in claims:
        claimed.setdefault(port, {}).setdefault((claim.subnet, claim.sni), claim)


class PortShape(NamedTuple):
    """A service's port as listeners see it; ``addressed`` is whether the service has addresses to listen on.

    ``resolves`` is the port on which Envoy calls the host that it resolves itself, or 0.
    """

    number: int
    protocol: Protocol
    addressed: bool
    subnets: tuple[str, ...]
    resolves: int = 0


def _claims(read: Read, key: ServiceKey, port: PortShape, scope: Scope) -> tuple[Claim, ...]:
    """What one service's port takes of all addresses: what its routes tell apart, and what is its own."""
    wanted = read.get(connection_routes, key, port.number, scope)
    own = port.subnets or ("",)
    sni = key.hostname if port.protocol.is_tls else ""
    sniffed = port.protocol is Protocol.AUTO
    found = []
    for branch in read.get(branches, wanted):
        name = names.branch(wanted.name, branch.subnet, branch.sni)
        where = (branch.subnet,) if branch.subnet else own
        found += [Claim(subnet, branch.sni, name, branch.resolves, key, sniffed) for subnet in where]
    # What its routes say of its name goes before.
    found += [Claim(subnet, sni, wanted.name, port.resolves, key, sniffed) for subnet in own]
    return tuple(found)


def reached_ports(read: Read, key: ServiceKey, scope: Scope) -> tuple[PortShape, ...]:
    """Those of a service's ports that callers of a scope reach where they are captured."""
    shapes = read.get(port_shapes, key)
    if scope.sidecar is None:
        return shapes
    return tuple(shape for shape in shapes if captured_on(read, scope, key, shape.number))


def port_shapes(read: Read, key: ServiceKey) -> tuple[PortShape, ...]:
    """A service's ports as listeners see them.

    One that only a remote cluster has has no address here: on what is not HTTP it would take all addresses.
    """
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None:
        return ()
    # What an alias's clients connect to is its target's address, or one that Envoy need not know.
    own = has_own_listener(service) or service.resolution is Resolution.ALIAS
    subnets = tuple(address for address in service.addresses if "/" in address)
    return tuple(
        PortShape(port.number, port.protocol, own, subnets, resolved_on(service, port.number))
        for port in service.ports
        if own or port.protocol.is_http or not service.ref.cluster
    )


def has_own_listener(service: Service) -> bool:
    """Whether a service has addresses of its own to listen on for what is not HTTP."""
    single = any("/" not in address for address in service.addresses)
    return single or service.resolution is Resolution.HEADLESS
