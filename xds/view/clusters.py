"""The clusters of a service: one a port and subset, and those every sidecar has."""

from __future__ import annotations

from typing import Final, NamedTuple

from xds.model.endpoint import Endpoint, EndpointKey
from xds.model.families import Families
from xds.model.identity import Identity
from xds.model.labels import NO_LABELS, Labels
from xds.model.placement import Place
from xds.model.policy import Encrypting, Policies, Speaking, Unbalanced
from xds.model.refs import ObjectRef
from xds.model.service import (
    DestinationRule,
    Protocol,
    Resolution,
    Service,
    ServiceKey,
    ServicePort,
)
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import RuleAt, policies_for, rule
from xds.view.auto_mtls import Towards, mesh_tls
from xds.view.endpoints import SIDECARS, Callers, localities, shown
from xds.view.gateway_api.backend_tls import backend_tls
from xds.view.graph import Read
from xds.view.own_machine import is_admin
from xds.view.placement import placed, placement
from xds.view.scope import mesh
from xds.view.specs.clusters import ClusterSpec, Discovery, UpstreamProtocol
from xds.view.viewpoints import towards

# What the proxy calls its own application from: interception leaves these alone.
LOOPBACK_SOURCES: Final = {
    Families.IPV4: ("127.0.0.6",),
    Families.IPV6: ("::6",),
    Families.BOTH: ("127.0.0.6", "::6"),
}
EVERYWHERE: Final = Place()

_DISCOVERY = {
    Resolution.STATIC: Discovery.EDS,
    Resolution.HEADLESS: Discovery.ORIGINAL_DST,
    Resolution.NONE: Discovery.ORIGINAL_DST,
    Resolution.DNS: Discovery.STRICT_DNS,
    Resolution.DNS_ROUND_ROBIN: Discovery.LOGICAL_DNS,
    Resolution.DYNAMIC_DNS: Discovery.DYNAMIC_DNS,
    Resolution.ALIAS: Discovery.STRICT_DNS,
}


def upstream_protocol(protocol: Protocol) -> UpstreamProtocol:
    """What is spoken to an endpoint whose port is declared as ``protocol``."""
    if protocol is Protocol.AUTO:
        return UpstreamProtocol.DOWNSTREAM
    if protocol.is_http2:
        return UpstreamProtocol.HTTP2
    return UpstreamProtocol.HTTP1 if protocol.is_http else UpstreamProtocol.TCP


def spoken(declared: Protocol, policies: Policies) -> Protocol:
    """What is spoken to a port declared as ``declared``, under the policies of its host."""
    for policy in policies.that(Speaking):
        declared = policy.spoken(declared)
    return declared


def subset_names(found: DestinationRule | None) -> tuple[str, ...]:
    """The whole host (``""``) and the names of its subsets."""
    return ("", *(subset.name for subset in found.subsets)) if found is not None else ("",)


def subset_labels(found: DestinationRule | None, subset: str) -> Labels:
    """The labels of a rule's subset; none for the whole host, or a subset that the rule does not define."""
    subsets = found.subsets if found is not None else ()
    return next((each.labels for each in subsets if each.name == subset), NO_LABELS)


def cluster_policies(read: Read, found: DestinationRule | None, subset: str, port: int) -> Policies:
    """What holds for a cluster: what the rule says of the subset and port, over what the mesh says of all."""
    return policies_for(found, subset, port).over(read.get(mesh).cluster_policies)


def discovery(service: Service, policies: Policies, *, by_router: bool = False) -> Discovery | None:
    """How the hosts of a service's cluster are found; None where no cluster is made.

    ``by_router``: a gateway's clients have not chosen an address.
    """
    if by_router and _DISCOVERY.get(service.resolution) is Discovery.ORIGINAL_DST:
        return Discovery.EDS
    if not by_router and any(policy.passthrough for policy in policies.that(Unbalanced)):
        return Discovery.ORIGINAL_DST
    return _DISCOVERY.get(service.resolution)


def external_alias(read: Read, service: Service) -> bool:
    """Whether an ExternalName stands for a host that the mesh does not know, and Envoy must resolve."""
    return service.resolution is Resolution.ALIAS and not read.rows(Table.HOST, service.alias_of)


def service_clusters(
    read: Read,
    key: ServiceKey,
    at: RuleAt | None,
    identity: Identity,
    place: Place = EVERYWHERE,
    callers: Callers = SIDECARS,
) -> tuple[ClusterSpec, ...]:
    """The clusters of a service under the rule at ``at``, for callers with such an identity, sorted by name.

    ``place`` matters for names that Envoy resolves itself: of others, endpoints come apart from the cluster.
    """
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None or (service.resolution is Resolution.ALIAS and not external_alias(read, service)):
        return ()
    found = read.get(rule, at) if at is not None else None
    specs = [
        spec
        for port in service.ports
        for subset in subset_names(found)
        if (spec := _cluster(read, _Wanted(service, port, subset, identity, place, callers), found)) is not None
    ]
    return tuple(sorted(specs, key=lambda spec: spec.name))


class _Wanted(NamedTuple):
    service: Service
    port: ServicePort
    subset: str
    identity: Identity
    place: Place
    callers: Callers


def _cluster(read: Read, wanted: _Wanted, found: DestinationRule | None) -> ClusterSpec | None:
    service, port, subset, identity, place, callers = wanted
    settings = read.get(mesh)
    policies = cluster_policies(read, found, subset, port.number).over(service.policies)
    if service.kubernetes:
        policies = policies.over(read.get(backend_tls, service.ref, port.name))
    by_router = callers.routers
    how = discovery(service, policies, by_router=by_router)
    if how is None:
        return None
    by_dns = how in (Discovery.STRICT_DNS, Discovery.LOGICAL_DNS)
    order = placement(service, policies, place)
    of_subset = subset_labels(found, subset)
    callers = towards(read, callers, service, port, policies)
    listed = _resolved(read, service, port, callers, of_subset) if by_dns else ()
    listed = listed[:1] if callers.seen is not None and how is Discovery.LOGICAL_DNS else listed
    groups = localities(listed, of_subset) if order is None else placed(listed, of_subset, order)
    if by_dns and not groups:
        return None
    protocol = upstream_protocol(spoken(port.protocol, policies))
    return ClusterSpec(
        name=names.outbound_cluster(port.number, subset, service.hostname),
        discovery=how,
        protocol=_of_routers(read, service, policies, protocol) if by_router else protocol,
        connect_timeout=settings.connect_timeout,
        endpoints=groups,
        policies=policies.adding(
            *(stated.towards(service.subject_alt_names, settings.tls_defaults) for stated in policies.that(Encrypting))
        ),
        port_override=_port_override(service, port),
        dns_refresh_rate=settings.dns_refresh_rate,
        authored=found.ref if found is not None else None,
        service=(service.hostname, service.ref.name, service.namespace),
        mesh_tls=mesh_tls(read, Towards(service, port, subset, how, protocol), policies, identity),
        families=callers.families if by_dns else Families.IPV4,
    )


def _of_routers(read: Read, service: Service, policies: Policies, protocol: UpstreamProtocol) -> UpstreamProtocol:
    """What routers speak: HTTP/1.1 where nothing is declared, whatever their clients speak, unless they are told to.

    Clients of HTTPS speak HTTP/2, of which a server that does not say so knows nothing. Calls of gRPC are HTTP/2.
    Source: istio.io, Protocol Selection, HTTP gateway protocol selection.
    """
    if protocol is not UpstreamProtocol.DOWNSTREAM or spoken(Protocol.HTTP, policies) is Protocol.AUTO:
        return protocol
    routes: tuple[ObjectRef, ...] = read.rows(Table.LEADING_ROUTE, service.ref)
    return protocol if any(ref.kind == "GRPCRoute" for ref in routes) else UpstreamProtocol.HTTP1


def _resolved(
    read: Read, service: Service, port: ServicePort, callers: Callers, subset: Labels
) -> tuple[Endpoint, ...]:
    if service.resolution is Resolution.ALIAS:
        return () if is_admin(service.alias_of, port.number) else (Endpoint(service.alias_of, port.number),)
    return shown(read, EndpointKey(*service.key, port.number), callers, subset)


def _port_override(service: Service, port: ServicePort) -> int:
    # The caller's own address is kept but the port is the endpoint's: a headless Service's targetPort.
    if service.resolution not in (Resolution.HEADLESS, Resolution.NONE):
        return 0
    return port.target if isinstance(port.target, int) and port.target != port.number else 0


def dynamic_cluster(read: Read) -> tuple[ClusterSpec, ...]:
    """The cluster of hosts that nobody knows, and Envoy resolves when they are called."""
    timeout = read.get(mesh).connect_timeout
    return (ClusterSpec(names.DYNAMIC_DNS, Discovery.DYNAMIC_DNS, UpstreamProtocol.DOWNSTREAM, timeout),)


def mesh_clusters(read: Read, families: Families = Families.IPV4) -> tuple[ClusterSpec, ...]:
    """The clusters that every sidecar has: nowhere, anywhere, and anywhere in the pod."""
    timeout = read.get(mesh).connect_timeout
    return (
        ClusterSpec(names.BLACK_HOLE, Discovery.STATIC, connect_timeout=timeout),
        ClusterSpec(
            names.INBOUND_PASSTHROUGH,
            Discovery.ORIGINAL_DST,
            UpstreamProtocol.DOWNSTREAM,
            connect_timeout=timeout,
            source_addresses=LOOPBACK_SOURCES[families],
        ),
        ClusterSpec(
            names.PASSTHROUGH,
            Discovery.ORIGINAL_DST,
            UpstreamProtocol.DOWNSTREAM,
            connect_timeout=timeout,
        ),
    )
