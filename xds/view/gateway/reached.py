"""The services that a router's routes lead to: their clusters and endpoints, as gateways see them.

What is given by node, or by workload, is no part of what routers share: ``node_leaves`` make that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from xds.model.endpoint import EndpointKey
from xds.model.gateway import CredentialName
from xds.model.identity import Identity
from xds.model.placement import Place
from xds.model.policy import Showing
from xds.model.service import DestinationRule, Service, ServiceKey
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import RuleAt, rule, rule_at
from xds.view.callers import WorkloadName, callers_by_zone
from xds.view.clusters import cluster_policies, discovery, service_clusters, subset_labels, subset_names
from xds.view.endpoints import Callers, endpoint_group, into_machine, placed_group
from xds.view.gateway.credentials import certificate_name, secret_leaf
from xds.view.graph import Call, Read, call
from xds.view.placement import asks_node, placement
from xds.view.scope import Scope
from xds.view.secrets import named, secret
from xds.view.specs.clusters import ClusterSpec, Discovery
from xds.view.viewpoints import callers_of, towards, towards_any


class Caller(NamedTuple):
    """A router as services tell it from others of its kind: by its node, and by the workload that it is of."""

    node: str
    workload: WorkloadName | None


def reached_leaves(
    read: Read, key: ServiceKey, scope: Scope, certificate: CredentialName | None = None
) -> tuple[Call, ...]:
    """The leaves of a service that routes lead to: its clusters, their endpoints, and the Secrets for calling it.

    ``certificate`` is what the router shows where TLS is spoken.
    """
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None:
        return ()
    at = read.get(rule_at, key, scope)
    place = Place(scope.locality, scope.labels)
    clusters = call(
        service_clusters, key, at, scope.identity, place, towards_any(read, callers_of(read, scope), service)
    )
    leaves = [clusters]
    if certificate is not None:
        leaves = [call(showing, clusters, certificate), secret_leaf(certificate, scope.home)]
    leaves += _endpoints(read, service, at, _At(place, callers_of(read, scope)), by_node=False)
    if at is not None and at.labels and scope.identity is Identity.ADS and scope.vouched:
        leaves += [call(secret, at.namespace, name) for name in read.get(named, at)]
    return tuple(leaves)


def showing(read: Read, clusters: Call, certificate: CredentialName) -> tuple[ClusterSpec, ...]:
    """Clusters whose callers show a certificate where they speak TLS, unless a rule says otherwise."""
    name = certificate_name(certificate)
    specs: tuple[ClusterSpec, ...] = read.get(clusters.maker, *clusters.args)
    return tuple(
        replace(spec, policies=spec.policies.adding(*(each.showing(name) for each in spec.policies.that(Showing))))
        for spec in specs
    )


def given_by_node(read: Read, key: ServiceKey, scope: Scope) -> bool:
    """Whether a service gives routers on another node, or of another workload, other endpoints."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None:
        return False
    where = _At(Place(scope.locality, scope.labels), callers_of(read, scope))
    return bool(_endpoints(read, service, read.get(rule_at, key, scope), where, by_node=True))


def node_leaves(read: Read, keys: tuple[ServiceKey, ...], scope: Scope, caller: Caller) -> tuple[Call, ...]:
    """The load assignments of those services that are for one caller alone."""
    place = Place(scope.locality, scope.labels, caller.node)
    if caller.workload is not None:
        place = place._replace(callers=read.get(callers_by_zone, caller.workload))
    leaves: list[Call] = []
    for key in keys:
        service: Service | None = read.first(Table.SERVICE, key)
        if service is not None:
            at = read.get(rule_at, key, scope)
            leaves += _endpoints(read, service, at, _At(place, callers_of(read, scope)), by_node=True)
    return tuple(leaves)


class _At(NamedTuple):
    place: Place
    callers: Callers


def _endpoints(read: Read, service: Service, at: RuleAt | None, where: _At, *, by_node: bool) -> list[Call]:
    place, callers = where
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
            led = towards(read, callers._replace(routers=read.get(into_machine, key)), service, port, policies)
            if wanted is None:
                leaves.append(call(endpoint_group, cluster, key, labels, led))
            else:
                leaves.append(call(placed_group, cluster, key, labels, wanted, led))
    return leaves
