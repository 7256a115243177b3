"""Where a call comes to: the service that a host means, the pods behind it, and how a caller's proxy speaks to them."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.endpoint import EndpointKey
from xds.model.identity import Identity, account_path
from xds.model.labels import NO_LABELS, Labels
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.service import Protocol, Service, ServiceKey
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view import names
from xds.view.attach import rule_at
from xds.view.clusters import service_clusters
from xds.view.endpoints import endpoints
from xds.view.graph import Read
from xds.view.inbound import Offer, inbound_ports
from xds.view.scope import mesh, resolved_service, scope


class Caller(NamedTuple):
    """Who calls. ``proven`` is whether it shows an identity, hence has a sidecar; else only its address is known."""

    namespace: str
    account: str = ""
    address: str = ""
    labels: Labels = NO_LABELS
    proven: bool = True


class Arrival(NamedTuple):
    """One address that a call may come to, what the proxy there takes the call for, and how it comes.

    ``pod`` is None outside of the mesh; ``port`` is the pod's; ``principal`` and ``sni`` are empty over plaintext;
    ``rule`` is the DestinationRule that holds for the call.
    """

    pod: Workload | None
    address: str
    port: int
    protocol: Protocol
    principal: str = ""
    sni: str = ""
    rule: ObjectRef | None = None


class Way(NamedTuple):
    """A service's port that leads to a pod, and the pod's port behind it."""

    service: ServiceKey
    port: int
    target: int


def called(read: Read, host: str, namespace: str) -> Service | None:
    """The service that clients in the namespace mean by a host, looked for as resolvers in pods do."""
    domain = read.get(mesh).domain
    for each in (f"{host}.{namespace}.svc.{domain}", f"{host}.svc.{domain}", f"{host}.{domain}", host):
        found = resolved_service(read, each, namespace)
        if found is not None:
            return found
    return None


def ways(read: Read, pod: Workload) -> tuple[Way, ...]:
    """Every port of a service that leads to the pod, the oldest service first."""
    known: tuple[Service, ...] = read.rows(Table.SELECTING, pod.namespace)
    return tuple(
        Way(service.key, port.number, endpoint.port)
        for service in known
        if service.selector <= pod.labels
        for port in service.ports
        for endpoint in read.get(endpoints, EndpointKey(*service.key, port.number))
        if endpoint.address in pod.addresses[:1]
    )


def arrivals(read: Read, caller: Caller, key: ServiceKey, port: int) -> tuple[Arrival, ...]:
    """Every address that a call to a port of the service may come to."""
    seen = scope(read, Proxy("explain", namespace=caller.namespace, labels=caller.labels, identity=Identity.ADS))
    at = read.get(rule_at, key, seen)
    name = names.outbound_cluster(port, "", key.hostname)
    cluster = next((each for each in read.get(service_clusters, key, at, Identity.ADS) if each.name == name), None)
    tls = cluster.mesh_tls if cluster is not None and caller.proven else None
    principal = f"{read.get(mesh).trust.own}/{account_path(caller.namespace, caller.account)}"
    found = []
    for endpoint in read.get(endpoints, EndpointKey(*key, port)):
        one = direct(read, endpoint.address, endpoint.port)
        if tls is not None and (endpoint.tls or not tls.by_endpoint):
            one = one._replace(principal=principal, sni=tls.sni)
        found.append(one._replace(rule=cluster.authored if cluster is not None and caller.proven else None))
    return tuple(found)


def direct(read: Read, address: str, port: int) -> Arrival:
    """What comes to a port of an address that the caller has chosen itself: nobody encrypts it."""
    pod: Workload | None = read.first(Table.ADDRESS, address)
    protocol = Protocol.TCP
    if pod is not None:
        offered = read.get(inbound_ports, Offer(pod.namespace, pod.labels, pod.ref.name))
        protocol = next((each.protocol for each in offered if each.number == port), Protocol.TCP)
    return Arrival(pod, address, port, protocol)
