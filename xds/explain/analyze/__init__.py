"""What is wrong with a whole configuration: what no object shows by itself. One file a family of messages."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Final

from xds.explain.analyze import (
    authorization,
    collectors,
    destination_rules,
    edge_routes,
    envoy_filters,
    gateway_api,
    gateways,
    injection,
    networks,
    passed_on,
    peer_authentication,
    rate_limits,
    request_authentication,
    service_ports,
    services,
    sidecars,
    telemetry,
    unverified,
    virtual_services,
)
from xds.model.problem import Problem, Severity
from xds.model.refs import ObjectRef
from xds.model.snapshot import ALL, Input, Snapshot, Table
from xds.view.graph import Call, Graph, Read, call

_WORST_FIRST: Final = (Severity.ERROR, Severity.WARNING, Severity.INFO)
_CHECKS: Final[tuple[tuple[Table, Callable[[Read, Any], tuple[Problem, ...]]], ...]] = (
    (Table.VIRTUAL_SERVICE, virtual_services.check),
    (Table.VIRTUAL_SERVICE, edge_routes.check_subsets),
    (Table.GATEWAY, gateways.check),
    (Table.GATEWAY, edge_routes.check_gateway),
    (Table.GATEWAY, passed_on.check),
    (Table.RULE, destination_rules.check),
    (Table.RULE, unverified.check),
    (Table.SERVICE, services.check),
    (Table.SERVICE, service_ports.check),
    (Table.POLICY, authorization.check),
    (Table.POLICY, request_authentication.check),
    (Table.POLICY, peer_authentication.check),
    (Table.POLICY, rate_limits.check),
    (Table.POLICY, telemetry.check),
    (Table.MESH, collectors.check),
    (Table.SIDECAR, sidecars.check),
    (Table.NETWORK_GATEWAY, networks.check),
    (Table.SERVICE, networks.check_service),
    (Table.NAMESPACE, injection.check),
    (Table.NAMESPACE, injection.check_enabled),
    (Table.API_GATEWAY, gateway_api.check_gateway),
    (Table.LISTENER_SET, gateway_api.check_listener_set),
    (Table.API_ROUTE, gateway_api.check_route),
    (Table.BACKEND_TLS_POLICY, gateway_api.check_policy),
    (Table.PATCHES, envoy_filters.check),
)


def findings(read: Read) -> tuple[Problem, ...]:
    """Everything that is wrong between the objects of a mesh; a check is made again only when what it read changed."""
    return tuple(problem for table, check in _CHECKS for key in read.keys(table) for problem in read.get(check, key))


FINDINGS: Call = call(findings)


def found_in(graph: Graph) -> Generator[None, None, tuple[Problem, ...]]:
    """What is wrong between the objects of a graph's mesh, in slices: one check after the other, then all together."""
    made: list[Call] = []
    try:
        for table, check in _CHECKS:
            for each in _calls(graph, table, check):
                made.append(each)
                graph.get(each)
                yield
        between: tuple[Problem, ...] = graph.get(FINDINGS)
    finally:
        for each in made:
            graph.release(each)
    return between


def _calls(graph: Graph, table: Table, check: Callable[[Read, Any], tuple[Problem, ...]]) -> Iterator[Call]:
    """The calls of one check, each soon made: one that takes long comes after its parts."""
    for key in graph.snapshot.read(Input(table, ALL)):
        if check is envoy_filters.check:
            yield from envoy_filters.parts(graph, key)
        yield call(check, key)


def found_about(snapshot: Snapshot, ref: ObjectRef, rows: Iterable[Input]) -> tuple[Problem, ...]:
    """What is wrong between one object, which has ``rows`` in that snapshot, and the others."""
    graph = Graph(snapshot)
    # What takes whole configurations is for who has time: ``found_in``.
    quick = [(table, check) for table, check in _CHECKS if check is not envoy_filters.check]
    wanted = [call(check, row.key) for row in dict.fromkeys(rows) for table, check in quick if table is row.table]
    return tuple(problem for each in wanted for problem in graph.get(each) if problem.at.object == ref)


def analyze(snapshot: Snapshot, decoded: Iterable[Problem]) -> tuple[Problem, ...]:
    """``decoded`` (what decoders and sources found) and what is wrong between the objects, worst first, by object."""
    return ordered((*decoded, *Graph(snapshot).get(FINDINGS)))


def ordered(found: Iterable[Problem]) -> tuple[Problem, ...]:
    """The findings, each once, worst first, by object and field."""
    order = {severity: rank for rank, severity in enumerate(_WORST_FIRST)}
    kept = gateway_api.without_known(dict.fromkeys(found))
    return tuple(sorted(kept, key=lambda p: (order[p.severity], p.at.object, p.at.dotted, p.code)))
