"""Names that one gateway passes on by SNI and another ends TLS for, at one port: the oldest has each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from xds.explain.analyze.gateways import met, routers_of, said
from xds.model.gateway import EdgeTlsMode, Gateway, GatewaySelector
from xds.model.labels import Labels
from xds.model.problem import Problem
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.view.gateway.bindings import At, connections
from xds.view.gateway.edge_ports import EdgePort, Lost, Placed, PortKind
from xds.view.graph import Read

_Taken = tuple[str, tuple[str, ...]]
"""What a filter chain asks for: an SNI, and subnets."""


class Displaced(NamedTuple):
    """What of a server another one has; ``by`` is the VirtualService that would pass it on, if any does."""

    lost: Lost
    by: ObjectRef | None


def check(read: Read, ref: ObjectRef) -> tuple[Problem, ...]:
    """The names of a Gateway that an older one's server has, where one of the two passes connections on."""
    gateway: Gateway | None = read.first(Table.GATEWAY, ref)
    rows: tuple[GatewaySelector, ...] = read.rows(Table.GATEWAY_SELECTOR, "")
    own = next((each for each in rows if each.of == ref), None)
    if gateway is None or own is None or all(server.tls is None for server in gateway.servers):
        return ()
    found = read.get(displaced, own.selector, own.namespace).get(ref, ())
    return tuple(said(gateway, each.lost, str(each.by) if each.by is not None else "") for each in found)


def displaced(read: Read, selector: Labels, namespace: str) -> dict[ObjectRef, tuple[Displaced, ...]]:
    """What gateways lose to each other in that way on the routers of that selector, by the gateway that loses."""
    routers = read.get(routers_of, selector, namespace)
    home = routers[0].namespace if routers else namespace
    found: dict[ObjectRef, list[Displaced]] = {}
    for port in read.get(met, selector, namespace).ports:
        if port.kind is PortKind.TLS and any(_passes(each) for each in port.servers):
            for each in _displaced(read, port, home, selector):
                found.setdefault(each.lost.placed.gateway, []).append(each)
    return {of: tuple(each) for of, each in found.items()}


def _displaced(read: Read, port: EdgePort, home: str, labels: Labels) -> Iterator[Displaced]:
    has: dict[_Taken, Placed] = {}
    for placed in port.servers:
        lost: dict[tuple[ObjectRef, ObjectRef | None], list[str]] = {}
        for taken, by in _wants(read, placed, home, labels):
            winner = has.setdefault(taken, placed)
            if winner is not placed and _passes(winner) != _passes(placed):
                lost.setdefault((winner.gateway, by), []).append(taken[0] or "*")
        for (gateway, by), names in lost.items():
            yield Displaced(Lost(placed, gateway, tuple(dict.fromkeys(names))), by)


def _wants(read: Read, placed: Placed, home: str, labels: Labels) -> Iterator[tuple[_Taken, ObjectRef | None]]:
    if not _passes(placed):
        for host in placed.server.hosts:
            yield ("" if host.host == "*" else host.host, ()), None
        return
    for each in connections(read, At(placed.gateway, placed.server, home, labels)):
        for name in each.match.sni_hosts:
            yield ("" if name == "*" else name, each.match.destination_subnets), each.authored


def _passes(placed: Placed) -> bool:
    return placed.server.tls is not None and placed.server.tls.mode is EdgeTlsMode.PASSTHROUGH
