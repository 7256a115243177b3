"""The services that a router's routes lead to: their clusters and endpoints, as gateways see them.

What is given by node, or by workload, is no part of what routers share: ``node_leaves`` make that.
"""

from __future__ import annotations

from typing import NamedTuple

from xds.model.endpoint import EndpointKey
from xds.model.identity import Identity
from xds.model.placement import Place
from xds.model.service import DestinationRule, Service, ServiceKey
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import RuleAt, rule, rule_at
from xds.view.callers import WorkloadName, callers_by_zone
from xds.view.clusters import cluster_policies, discovery, service_clusters, subset_labels, subset_names
from xds.view.endpoints import endpoint_group, into_machine, placed_group
from xds.view.graph import Call, Read, call
from xds.view.placement import asks_node, placement
from xds.view.scope import Scope
from xds.view.secrets import named, secret
from xds.view.specs.clusters import Discovery


class Caller(NamedTuple):
    """A router as services tell it from others of its kind: by its node, and by the workload that it is of."""

    node: str
    workload: WorkloadName | None


def reached_leaves(read: Read, key: ServiceKey, scope: Scope) -> tuple[Call, ...]:
    """The leaves of a service that routes lead to: its clusters, their endpoints, and the Secrets for calling it."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None:
        return ()
    at = read.get(rule_at, key, scope)
    place = Place(scope.locality, scope.labels)
    leaves = [call(service_clusters, key, at, scope.identity, place, True)]
    leaves += _endpoints(read, service, at, place, by_node=False)
    if at is not None and at.labels and scope.identity is Identity.ADS and scope.vouched:
        leaves += [call(secret, at.namespace, name) for name in read.get(named, at)]
    return tuple(leaves)


def given_by_node(read: Read, key: ServiceKey, scope: Scope) -> bool:
    """Whether a service gives routers on another node, or of another workload, other endpoints."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None:
        return False
    place = Place(scope.locality, scope.labels)
    return bool(_endpoints(read, service, read.get(rule_at, key, scope), place, by_node=True))


def node_leaves(read: Read, keys: tuple[ServiceKey, ...], scope: Scope, caller: Caller) -> tuple[Call, ...]:
    """The load assignments of those services that are for one caller alone."""
    place = Place(scope.locality, scope.labels, caller.node)
    if caller.workload is not None:
        place = place._replace(callers=read.get(callers_by_zone, caller.workload))
    leaves: list[Call] = []
    for key in keys:
        service: Service | None = read.first(Table.SERVICE, key)
        if service is not None:
            leaves += _endpoints(read, service, read.get(rule_at, key, scope), place, by_node=True)
    return tuple(leaves)


def _endpoints(read: Read, service: Service, at: RuleAt | None, place: Place, *, by_node: bool) -> list[Call]:
    found: DestinationRule | None = read.get(rule, at) if at is not None else None
    leaves = []
    for port in service.ports:
        for subset in subset_names(found):
            policies = cluster_policies(read, found, subset, port.number)
            if discovery(service, policies, by_router=True) is not Discovery.EDS:
                continue
            if asks_node(service, policies, place) is not by_node:
                continue
            cluster = names.outbound_cluster(port.number, subset, service.hostname)
            key, labels = EndpointKey(*service.key, port.number), subset_labels(found, subset)
            wanted = placement(service, policies, place)
            apart = (True,) if read.get(into_machine, key) else ()
            if wanted is None:
                leaves.append(call(endpoint_group, cluster, key, labels, *apart))
            else:
                leaves.append(call(placed_group, cluster, key, labels, wanted, *apart))
    return leaves
