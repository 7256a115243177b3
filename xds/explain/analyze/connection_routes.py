"""TCP and TLS routes of VirtualServices that take nothing: no such port, no such service, or another route first."""

from __future__ import annotations

from collections.abc import Iterator

from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef
from xds.model.route import ConnectionMatch, VirtualService
from xds.model.service import Protocol, Service
from xds.model.snapshot import Table
from xds.view.attach import matches
from xds.view.graph import Read
from xds.view.scope import best_service, visible_services

_ANYTHING = ConnectionMatch()


def check_connections(read: Read, routed: VirtualService, spec: FieldRef) -> Iterator[Problem]:
    """What is wrong with the connection routes that a VirtualService has for sidecars."""
    if not (routed.tcp or routed.tls):
        return
    protocols = set(_protocols(read, routed))
    if "mesh" in routed.gateways and routed.tcp and not any(_is_plain(protocol) for protocol in protocols):
        message = "no port of its hosts is TCP (or says no protocol): these routes take nothing"
        yield Problem(spec / "tcp", "virtual-service.tcp-unused", message, Severity.WARNING)
    known = bool(protocols)
    if "mesh" in routed.gateways and routed.tls and known and not any(protocol.is_tls for protocol in protocols):
        message = "no port of its hosts is TLS or HTTPS: these routes take nothing"
        yield Problem(spec / "tls", "virtual-service.tls-unused", message, Severity.WARNING)
    yield from _unreachable(routed, spec)


def _is_plain(protocol: Protocol) -> bool:
    return not protocol.is_http and not protocol.is_tls


def _protocols(read: Read, routed: VirtualService) -> Iterator[Protocol]:
    home = routed.ref.namespace
    for host in routed.hosts:
        names = [host]
        if host.startswith("*"):
            names = [key.hostname for key in read.get(visible_services, home) if matches(host, key.hostname)]
        for name in names:
            service = best_service(read, name, home)
            found: Service | None = read.first(Table.SERVICE, service.key) if service is not None else None
            yield from (port.protocol for port in found.ports) if found is not None else ()


def _unreachable(routed: VirtualService, spec: FieldRef) -> Iterator[Problem]:
    for index, route in enumerate(routed.tcp[:-1]):
        if not route.matches or _ANYTHING in route.matches:
            message = f"is never reached: tcp[{index}] takes every connection"
            for later in range(index + 1, len(routed.tcp)):
                yield Problem(spec / "tcp" / later, "route.unreachable", message, Severity.WARNING)
            return
