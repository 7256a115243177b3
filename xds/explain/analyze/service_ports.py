"""Ports of services: several that lead to one, names that lead nowhere by address, protocols that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xds.explain.analyze.selected import selecting_alike
from xds.model.endpoint import EndpointKey
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef
from xds.model.route import VirtualService
from xds.model.service import Protocol, Resolution, Service, ServiceKey
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view.endpoints import endpoints
from xds.view.graph import Read
from xds.view.scope import mesh, visible


def check(read: Read, key: ServiceKey) -> tuple[Problem, ...]:
    """What is worth knowing of the ports of a service."""
    rows: tuple[Service, ...] = read.rows(Table.SERVICE, key)
    if not rows:
        return ()
    service = rows[0]
    named = (*_aliased(service), *_shared(read, service), *_clashes(read, service))
    return (*named, *_unrouted(read, service), *_undeclared(read, service))


def _aliased(service: Service) -> Iterator[Problem]:
    for index, port in enumerate(service.ports):
        if service.resolution is Resolution.ALIAS and port.protocol is Protocol.TCP:
            at = FieldRef(service.ref, ("spec", "ports", index))
            message = (
                f"a name alone has no address to tell connections to port {port.number} by: they are treated as "
                "any other to that port; name it http-... or tls-... where it is that"
            )
            yield Problem(at, "service.external-name-tcp", message, Severity.WARNING)


def _unrouted(read: Read, service: Service) -> Iterator[Problem]:
    """The TCP ports of a service for which there are HTTP routes, and no port that they may be for."""
    rows: tuple[VirtualService, ...] = read.rows(Table.ROUTED_HOST, service.hostname)
    routed = next((each for each in rows if "mesh" in each.gateways), None)
    if routed is None or not routed.http or routed.tcp:
        return
    if any(port.protocol.is_http or port.protocol is Protocol.AUTO for port in service.ports):
        return
    for index, port in enumerate(service.ports):
        if not port.protocol.is_tls:
            message = (
                f"speaks {port.protocol.value}, so that connections are passed on unread, and the HTTP routes of "
                f"{routed.ref} take nothing; name it http-..., or set appProtocol"
            )
            at = FieldRef(service.ref, ("spec", "ports", index))
            yield Problem(at, "service.port-not-http", message, Severity.WARNING)


def _undeclared(read: Read, service: Service) -> Iterator[Problem]:
    """The ports that lead to one that no pod behind them says it listens on, while each says some."""
    for index, port in enumerate(service.ports if service.kubernetes and service.selector else ()):
        found = read.get(endpoints, EndpointKey(*service.key, port.number))
        pods: list[Workload | None] = [read.first(Table.ADDRESS, each.address) for each in found]
        known = [(each.port, pod.listens) for each, pod in zip(found, pods, strict=True) if pod is not None]
        if known and all(listens and target not in listens for target, listens in known):
            target, listens = known[0]
            message = f"leads to port {target} of its pods, which say that they listen on {_numbers(listens)}"
            at = FieldRef(service.ref, ("spec", "ports", index, "targetPort"))
            yield Problem(at, "service.target-undeclared", message, Severity.INFO)


def _numbers(ports: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(ports)))


def _shared(read: Read, service: Service) -> Iterator[Problem]:
    """The ports of other, older services that lead to the same port of the same pods under other numbers."""
    for other in selecting_alike(read, service):
        if other.ref == service.ref:
            return
        theirs = {port.target: port for port in other.ports}
        for index, port in enumerate(service.ports):
            rival = theirs.get(port.target)
            if rival is not None and rival.number != port.number and rival.protocol is port.protocol:
                at = FieldRef(service.ref, ("spec", "ports", index))
                message = (
                    f"leads to port {port.target} of its pods, to which {other.ref} leads by {rival.number}: what "
                    "is said of one of the two ports holds for its own callers only"
                )
                yield Problem(at, "service.target-shared", message, Severity.INFO)


def _clashes(read: Read, service: Service) -> Iterator[Problem]:
    """The ports that a ServiceEntry of another namespace says to speak something else."""
    if service.kubernetes:
        return
    rows: tuple[Service, ...] = read.rows(Table.HOST, service.hostname)
    for other in rows:
        if other.ref == service.ref:
            return
        if other.kubernetes or not _meet(read, other, service):
            continue
        for index, port in enumerate(service.ports):
            theirs = other.port(port.number)
            if theirs is not None and theirs.protocol is not port.protocol:
                at = FieldRef(service.ref, ("spec", "ports", index, "protocol"))
                message = (
                    f"is {port.protocol.value}, and {theirs.protocol.value} in {other.ref}, which is older: callers "
                    f"that see both take port {port.number} of {service.hostname} for that; say the same in both"
                )
                yield Problem(at, "service-entry.protocol-clash", message, Severity.WARNING)


def _meet(read: Read, one: Service, other: Service) -> bool:
    """Whether some namespace sees both."""
    default = read.get(mesh).default_service_export_to
    mine, theirs = one.export_to or default, other.export_to or default
    homes = {one.namespace, other.namespace, ""}
    return any(visible(mine, one.namespace, home) and visible(theirs, other.namespace, home) for home in homes)
