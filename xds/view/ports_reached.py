"""What is said on each port of all addresses, over all services that a caller sees: what listeners must tell apart."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.service import Protocol, Resolution, Service, ServiceKey
from xds.model.snapshot import Table
from xds.view import names
from xds.view.graph import Read
from xds.view.listeners import PortClaims
from xds.view.routes import FOREIGN_PORT
from xds.view.scope import visible_services


def port_claims(read: Read, home: str, foreign: bool) -> tuple[PortClaims, ...]:
    """What is said on each port of all addresses, over all visible services, sorted by port; ``foreign`` hosts too."""
    http: set[int] = set()
    by_sni: dict[int, list[ServiceKey]] = {}
    by_subnet: dict[int, dict[tuple[str, str], ServiceKey]] = {}
    tcp: dict[int, ServiceKey] = {}
    services = read.get(visible_services, home)
    shapes = [(key, port) for key in services for port in read.get(port_shapes, key)]
    for key, port in shapes:
        if port.protocol.is_http:
            http.add(port.number)
        elif port.subnets:
            # Envoy refuses two chains of one match: the first has it.
            sni = key.hostname if port.protocol.is_tls else ""
            for subnet in port.subnets:
                by_subnet.setdefault(port.number, {}).setdefault((subnet, sni), key)
        elif not port.addressed and port.protocol.is_tls:
            by_sni.setdefault(port.number, []).append(key)
        elif not port.addressed:
            tcp.setdefault(port.number, key)
    if foreign:
        http.add(FOREIGN_PORT)
    return tuple(
        PortClaims(
            number,
            number in http,
            tuple(by_sni.get(number, ())),
            tuple((*match, key) for match, key in sorted(by_subnet.get(number, {}).items())),
            tcp.get(number),
        )
        for number in sorted(http | by_sni.keys() | by_subnet.keys() | tcp.keys())
        if number not in names.TAKEN_PORTS
    )


class PortShape(NamedTuple):
    """A service's port as listeners see it; ``addressed`` is whether the service has addresses to listen on."""

    number: int
    protocol: Protocol
    addressed: bool
    subnets: tuple[str, ...]


def port_shapes(read: Read, key: ServiceKey) -> tuple[PortShape, ...]:
    """A service's ports as listeners see them."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None:
        return ()
    # What an alias's clients connect to is its target's address, or one that Envoy need not know.
    own = has_own_listener(service) or service.resolution is Resolution.ALIAS
    subnets = tuple(address for address in service.addresses if "/" in address)
    return tuple(PortShape(port.number, port.protocol, own, subnets) for port in service.ports)


def has_own_listener(service: Service) -> bool:
    """Whether a service has addresses of its own to listen on for what is not HTTP."""
    single = any("/" not in address for address in service.addresses)
    return single or service.resolution is Resolution.HEADLESS
