"""Services: addresses, ports and names that clash, aliases that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator

from xds.explain.analyze.selected import selecting_alike
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef
from xds.model.service import Resolution, Service, ServiceKey
from xds.model.snapshot import Table
from xds.view.graph import Read
from xds.view.inbound import precedence
from xds.view.scope import resolved_service

RESERVED = frozenset({15000, 15001, 15006, 15008, 15021, 15053, 15090})


def check(read: Read, key: ServiceKey) -> tuple[Problem, ...]:
    """What is wrong with the services of one name."""
    rows: tuple[Service, ...] = read.rows(Table.SERVICE, key)
    if not rows:
        return ()
    service = rows[0]
    found = [*_rivals(rows), *_addresses(read, service), *_alias(read, service), *_shared_ports(read, service)]
    for index, port in enumerate(service.ports):
        at = FieldRef(service.ref, ("spec", "ports", index))
        if port.number in RESERVED:
            message = f"{port.number} is a port of the sidecar itself; choose another"
            found.append(Problem(at, "service.port-reserved", message))
        elif port.target in RESERVED and service.selector:
            message = f"{port.target} is a port of the sidecar itself, so that pods cannot be reached there"
            found.append(Problem(at, "service.target-reserved", message))
        if not service.kubernetes and not service.addresses and not (port.protocol.is_http or port.protocol.is_tls):
            message = f"needs spec.addresses: without, all TCP connections to port {port.number} of any host are taken"
            found.append(Problem(at, "service-entry.address", message, Severity.WARNING))
    return tuple(found)


def _rivals(rows: tuple[Service, ...]) -> Iterator[Problem]:
    for other in rows[1:]:
        at = FieldRef(other.ref, ("spec", "hosts"))
        message = f"{other.hostname} is {rows[0].ref} already, which wins"
        yield Problem(at, "service.host-twice", message, Severity.WARNING)


def _addresses(read: Read, service: Service) -> Iterator[Problem]:
    for address in service.addresses:
        rows: tuple[Service, ...] = read.rows(Table.VIRTUAL_ADDRESS, address)
        for other in rows:
            if other.ref == service.ref:
                break
            both = sorted({port.number for port in other.ports} & {port.number for port in service.ports})
            if both:
                ports = ", ".join(map(str, both))
                at = FieldRef(service.ref, ("spec", "clusterIP" if service.kubernetes else "addresses"))
                why = "is Kubernetes' own" if other.kubernetes and not service.kubernetes else "is older"
                message = f"{address} port {ports} is {other.ref}'s already, which {why} and wins"
                yield Problem(at, "service.address-clash", message)


def _alias(read: Read, service: Service) -> Iterator[Problem]:
    if service.resolution is not Resolution.ALIAS:
        return
    at = FieldRef(service.ref, ("spec", "externalName"))
    if service.alias_of == service.hostname:
        yield Problem(at, "service.alias-circle", "is the service's own name")
    elif (
        read.rows(Table.HOST, service.alias_of) and resolved_service(read, service.hostname, service.namespace) is None
    ):
        yield Problem(at, "service.alias-circle", f"{service.alias_of} leads back to {service.hostname}")


def _shared_ports(read: Read, service: Service) -> Iterator[Problem]:
    for other in selecting_alike(read, service):
        theirs = {port.target: port for port in other.ports}
        for index, port in enumerate(service.ports):
            rival = theirs.get(port.target)
            if rival is None or rival.protocol is port.protocol:
                continue
            if precedence(other, rival) < precedence(service, port):
                at = FieldRef(service.ref, ("spec", "ports", index))
                message = (
                    f"says that port {port.target} of its pods speaks {port.protocol.value}, {other.ref} says "
                    f"{rival.protocol.value} and wins; name both ports alike"
                )
                yield Problem(at, "service.port-clash", message, Severity.WARNING)
