"""The services that a router's routes lead to: their clusters and endpoints, as gateways see them."""

from __future__ import annotations

from xds.model.endpoint import EndpointKey
from xds.model.identity import Identity
from xds.model.placement import Place
from xds.model.service import DestinationRule, Service, ServiceKey
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import RuleAt, rule, rule_at
from xds.view.clusters import cluster_policies, discovery, service_clusters, subset_labels, subset_names
from xds.view.endpoints import endpoint_group, placed_group
from xds.view.graph import Call, Read, call
from xds.view.placement import placement
from xds.view.scope import Scope
from xds.view.secrets import named, secret
from xds.view.specs.clusters import Discovery


def reached_leaves(read: Read, key: ServiceKey, scope: Scope) -> tuple[Call, ...]:
    """The leaves of a service that routes lead to: its clusters, their endpoints, and the Secrets for calling it."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None:
        return ()
    at = read.get(rule_at, key, scope)
    place = Place(scope.locality, scope.labels)
    leaves = [call(service_clusters, key, at, scope.identity, place, True), *_endpoints(read, service, at, place)]
    if at is not None and at.labels and scope.identity is Identity.ADS and scope.vouched:
        leaves += [call(secret, at.namespace, name) for name in read.get(named, at)]
    return tuple(leaves)


def _endpoints(read: Read, service: Service, at: RuleAt | None, place: Place) -> list[Call]:
    found: DestinationRule | None = read.get(rule, at) if at is not None else None
    leaves = []
    for port in service.ports:
        for subset in subset_names(found):
            policies = cluster_policies(read, found, subset, port.number)
            if discovery(service, policies, by_router=True) is not Discovery.EDS:
                continue
            cluster = names.outbound_cluster(port.number, subset, service.hostname)
            key, labels = EndpointKey(*service.key, port.number), subset_labels(found, subset)
            wanted = placement(service, policies, place)
            if wanted is None:
                leaves.append(call(endpoint_group, cluster, key, labels))
            else:
                leaves.append(call(placed_group, cluster, key, labels, wanted))
    return leaves
