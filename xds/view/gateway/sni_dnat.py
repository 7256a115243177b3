"""AUTO_PASSTHROUGH: the mesh's own connections for any service, passed on by the SNI that its callers send.

Source: istio-semantics 1.3 (east-west gateways); 2.3 for the names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from xds.model.endpoint import EndpointKey
from xds.model.families import Families
from xds.model.gateway import EdgeTlsMode
from xds.model.labels import Labels
from xds.model.policy import Encrypting, Policies, Speaking
from xds.model.service import Service, ServiceKey
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import matches, rule, rule_at
from xds.view.clusters import EVERYWHERE, service_clusters, subset_labels, subset_names
from xds.view.endpoints import Callers, localities, shown
from xds.view.gateway.edge_ports import EdgePort, host_names
from xds.view.gateway.routers import Router
from xds.view.graph import Call, Read, call
from xds.view.networks import is_near
from xds.view.scope import Scope, visible_services
from xds.view.specs.clusters import ClusterSpec, Discovery, EndpointGroup, UpstreamProtocol
from xds.view.specs.listeners import Chain, ChainMatch, Guard, TcpChain
from xds.view.specs.routes import WeightedCluster

_MESH_ALPN: Final = ("istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2")
_GUARD: Final = Guard(plaintext=True)  # who calls is proven to the server alone


def dnat_chains(read: Read, router: Router, port: EdgePort) -> Iterator[Chain]:
    """A chain for each port and subset of each service, by SNI; their names never change."""
    for key in dnat_services(read, router, port):
        for name in read.get(dnat_names, key, router.scope):
            match = ChainMatch(server_names=(name,), transport="tls", application_protocols=_MESH_ALPN)
            yield Chain(name, match, TcpChain(name, (WeightedCluster(name),)), guard=_GUARD)


def dnat_services(read: Read, router: Router, port: EdgePort) -> tuple[ServiceKey, ...]:
    """The services that a port passes connections on to: those that the hosts of its server cover."""
    hosts = [
        host
        for placed in port.servers
        if placed.server.tls is not None and placed.server.tls.mode is EdgeTlsMode.AUTO_PASSTHROUGH
        for host in host_names(placed.server.hosts)
    ]
    services = read.get(visible_services, router.scope.home)
    return tuple(key for key in services if any(matches(host, key.hostname) for host in hosts))


def dnat_names(read: Read, key: ServiceKey, scope: Scope) -> tuple[str, ...]:
    """The server names of a service, which are its clusters' too; none for one outside of the mesh."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None or service.external:
        return ()
    at = read.get(rule_at, key, scope)
    subsets = subset_names(read.get(rule, at) if at is not None else None)
    return tuple(names.server_name(port.number, subset, key.hostname) for port in service.ports for subset in subsets)


def dnat_leaves(read: Read, key: ServiceKey, scope: Scope) -> tuple[Call, ...]:
    """What makes the clusters of a service's server names, and their endpoints."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None or service.external:
        return ()
    at = read.get(rule_at, key, scope)
    found = read.get(rule, at) if at is not None else None
    leaves = [call(dnat_clusters, key, scope)]
    for port in service.ports:
        for subset in subset_names(found):
            name, behind = names.server_name(port.number, subset, key.hostname), EndpointKey(*key, port.number)
            leaves.append(call(dnat_group, name, behind, subset_labels(found, subset), _Here.of(scope)))
    return tuple(leaves)


class _Here(NamedTuple):
    families: Families
    network: str

    @classmethod
    def of(cls, scope: Scope) -> _Here:
        """What of a router decides which endpoints it passes connections on to."""
        return cls(scope.families, scope.network)


def dnat_group(read: Read, cluster: str, key: EndpointKey, subset: Labels, here: _Here) -> tuple[EndpointGroup, ...]:
    """The load assignment of a server name: endpoints of the router's own network, which take what it passes on.

    It passes nothing on to the gateways of other networks, as two of them could lead to each other.
    """
    listed = shown(read, key, Callers(routers=True, families=here.families))
    own = (each for each in listed if each.tls and each.address and is_near(each.network, here.network))
    return (EndpointGroup(cluster, localities(own, subset)),)


def dnat_clusters(read: Read, key: ServiceKey, scope: Scope) -> tuple[ClusterSpec, ...]:
    """The clusters of a service as those who only pass its connections on see it: bytes, encrypted by others."""
    at = read.get(rule_at, key, scope)
    specs = read.get(service_clusters, key, at, scope.identity, EVERYWHERE, Callers(routers=True))
    return tuple(_passing(spec) for spec in specs if spec.discovery is Discovery.EDS)


def _passing(spec: ClusterSpec) -> ClusterSpec:
    _, port, subset, hostname = spec.name.split("|")
    kept = {type(each) for each in (*spec.policies.that(Encrypting), *spec.policies.that(Speaking))}
    return replace(
        spec,
        name=names.server_name(int(port), subset, hostname),
        protocol=UpstreamProtocol.TCP,
        mesh_tls=None,
        policies=Policies(each for each in spec.policies if type(each) not in kept),
    )
