"""Where a route leads: each cluster with its share, its endpoints and the TLS to them; or why nobody is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from xds.explain.path.fields import destination_field
from xds.explain.path.held import Held, endpoints_of
from xds.explain.path.steps import Leg
from xds.model.endpoint import Endpoint, EndpointKey
from xds.model.policy import NO_POLICIES, Encrypting
from xds.model.refs import FieldRef, ObjectRef
from xds.model.service import DestinationRule, Service, ServiceKey
from xds.model.snapshot import Table
from xds.translators.upstream_tls.policy import Mode, UpstreamTls
from xds.view.endpoints import endpoints
from xds.view.gateway_api.alternatives import NOWHERE
from xds.view.graph import Read
from xds.view.specs.clusters import ClusterSpec, Discovery
from xds.view.specs.routes import WeightedCluster

_BY_NAME = (Discovery.STRICT_DNS, Discovery.LOGICAL_DNS, Discovery.DYNAMIC_DNS)


def legs(read: Read, known: Held, shares: Iterable[WeightedCluster], at: tuple[FieldRef, ...]) -> Iterator[Leg]:
    """A leg for each cluster of a route that stands at ``at``."""
    wanted = tuple(shares)
    total = sum(each.weight for each in wanted) or 1
    for each in wanted:
        leg = leg_to(read, known, each.cluster, at)
        yield replace(leg, share=100 * each.weight / total)


def leg_to(read: Read, known: Held, name: str, at: tuple[FieldRef, ...]) -> Leg:
    """The leg to one cluster that stands in the way as the fields at ``at`` say."""
    parts = name.split("|")
    port, subset, host = (int(parts[1] or 0), parts[2], parts[3]) if len(parts) == 4 else (0, "", name)
    cluster = known.clusters.get(name)
    if cluster is None:
        return _missing(read, known, Leg(name, 100, port, subset), host, at)
    hostname, _, namespace = cluster.service
    service: Service | None = read.first(Table.SERVICE, ServiceKey(hostname, namespace))
    leg = replace(
        _secured(cluster, Leg(name, 100, port, subset)),
        service=service.ref if service is not None else None,
        rule=cluster.authored,
        endpoints=endpoints_of(read, known, cluster) or _chosen(read, cluster, service, port),
        resolved=cluster.discovery in _BY_NAME,
    )
    return _empty(read, leg, service, at) if cluster.discovery is Discovery.EDS else leg


def _chosen(read: Read, cluster: ClusterSpec, service: Service | None, port: int) -> tuple[Endpoint, ...]:
    """The endpoints among which the caller itself has chosen, by their address."""
    if service is None or cluster.discovery is not Discovery.ORIGINAL_DST:
        return ()
    return read.get(endpoints, EndpointKey(*service.key, port))


def _secured(cluster: ClusterSpec, leg: Leg) -> Leg:
    """The leg with what is spoken to it."""
    mesh, stated = cluster.mesh_tls, _stated(cluster)
    leg = replace(leg, by_rule=stated is not None)
    if mesh is not None:
        how = "where the endpoint takes it" if mesh.by_endpoint else "always"
        why = "automatic" if stated is None else "ISTIO_MUTUAL"
        words = f"mutual TLS of the mesh, {how} ({why})"
        return replace(leg, tls=words, sni=mesh.sni, mutual=True, to_all=not mesh.by_endpoint, names=mesh.names)
    if stated is None:
        return replace(leg, tls="plaintext")
    if stated.mode is Mode.DISABLE:
        return replace(leg, tls="plaintext (DISABLE)")
    return replace(leg, tls=f"TLS as its rule says ({stated.mode.name})", sni=stated.sni)


def _stated(cluster: ClusterSpec) -> UpstreamTls | None:
    found = next(iter((cluster.policies or NO_POLICIES).that(Encrypting)), None)
    return found if isinstance(found, UpstreamTls) else None


# -- what is not there


def _missing(read: Read, known: Held, leg: Leg, host: str, at: tuple[FieldRef, ...]) -> Leg:
    """The leg to a cluster that the caller does not have, with the reason."""
    there = {each.name: each for each in known.clusters.values() if each.service[0] == host}
    if host == NOWHERE.host:
        return replace(
            leg, fault="a backend that is not there, or that may not be called; see its route's status", guilty=at
        )
    if not there:
        at = destination_field(read, at, host, leg.subset, "host")
        named: tuple[Service, ...] = read.rows(Table.HOST, host)
        if not named:
            return replace(leg, fault=f"no Service and no ServiceEntry has the host {host!r}", guilty=at)
        refs = ", ".join(str(each.ref) for each in named)
        hidden = f"its caller does not see {refs}: exportTo, or its Sidecar's egress, leaves it out"
        return replace(leg, fault=hidden, service=named[0].ref, guilty=(*at, *(FieldRef(each.ref) for each in named)))
    of_port = [each for each in there.values() if each.name.split("|")[1] == str(leg.port)]
    one = next(iter(there.values()))
    service: Service | None = read.first(Table.SERVICE, ServiceKey(one.service[0], one.service[2]))
    leg = replace(leg, service=service.ref if service is not None else None)
    if not of_port:
        ports = ", ".join(sorted({each.split("|")[1] for each in there}))
        at = destination_field(read, at, host, leg.subset, "port")
        return replace(leg, fault=f"{leg.service or host} has no port {leg.port}; it has {ports}", guilty=at)
    return _no_subset(read, leg, of_port[0].authored, destination_field(read, at, host, leg.subset, "subset"))


def _no_subset(read: Read, leg: Leg, rule: ObjectRef | None, at: tuple[FieldRef, ...]) -> Leg:
    if rule is None:
        return replace(leg, fault=f"no DestinationRule defines the subset {leg.subset!r}", guilty=at)
    found: DestinationRule | None = next((each for each in _rules(read) if each.ref == rule), None)
    known = ", ".join(each.name for each in found.subsets) if found is not None else ""
    fault = f"{rule} defines no subset {leg.subset!r}; it defines {known or 'none'}"
    return replace(leg, rule=rule, fault=fault, guilty=(*at, FieldRef(rule, ("spec", "subsets"))))


def _rules(read: Read) -> Iterator[DestinationRule]:
    for key in read.keys(Table.RULE):
        yield from read.rows(Table.RULE, key)


def _empty(read: Read, leg: Leg, service: Service | None, at: tuple[FieldRef, ...]) -> Leg:
    """The leg with the reason why nobody is behind it, if so."""
    if leg.healthy or service is None:
        return leg
    if leg.endpoints:
        return replace(leg, fault=f"none of {len(leg.endpoints)} endpoints is ready", guilty=(FieldRef(service.ref),))
    if leg.subset and leg.rule is not None and read.get(endpoints, EndpointKey(*service.key, leg.port)):
        fault = f"no pod behind {service.ref} has the labels of subset {leg.subset!r}"
        return replace(leg, fault=fault, guilty=(FieldRef(leg.rule, ("spec", "subsets")), *at))
    wanted = ", ".join(f"{key}={value}" for key, value in sorted(service.selector))
    fault = f"no pod is behind {service.ref}{f': none has {wanted} and the port' if wanted else ''}"
    return replace(leg, fault=fault, guilty=(FieldRef(service.ref, ("spec", "selector")),))
