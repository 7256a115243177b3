"""What a workload offers: the ports that services select it for, and the clusters that lead to its application."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.identity import Identity
from xds.model.labels import Labels
from xds.model.service import Protocol, Service, ServiceKey, ServicePort
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view import names
from xds.view.clusters import LOOPBACK_SOURCE, upstream_protocol
from xds.view.graph import Read
from xds.view.scope import mesh
from xds.view.specs import ClusterSpec, Discovery, UpstreamProtocol


class InboundPort(NamedTuple):
    """A port of the pod that some service leads to; the oldest service says what it speaks."""

    number: int
    protocol: Protocol
    service: ServiceKey


class Offer(NamedTuple):
    """The part of a proxy that decides its inbound configuration."""

    namespace: str
    labels: Labels
    pod: str = ""
    identity: Identity = Identity.NONE


def inbound_ports(read: Read, offer: Offer) -> tuple[InboundPort, ...]:
    """The ports that services of the namespace select this workload for, sorted; each once."""
    pod: Workload | None = read.first(Table.WORKLOAD, (offer.namespace, offer.pod)) if offer.pod else None
    found: dict[int, InboundPort] = {}
    services: tuple[Service, ...] = read.rows(Table.SELECTING, offer.namespace)
    for service in services:
        if not service.selector <= offer.labels:
            continue
        for port in service.ports:
            number = _pod_port(port, pod)
            if number and number not in names.TAKEN_PORTS:
                found.setdefault(number, InboundPort(number, port.protocol, service.key))
    return tuple(found[number] for number in sorted(found))


def _pod_port(port: ServicePort, pod: Workload | None) -> int:
    if isinstance(port.target, int):
        return port.target
    return pod.port(port.target) if pod is not None else 0


def inbound_cluster(read: Read, port: InboundPort) -> tuple[ClusterSpec, ...]:
    """The cluster of a port: the address that the caller chose, from an address that interception leaves alone."""
    spoken = upstream_protocol(port.protocol)
    service: Service | None = read.first(Table.SERVICE, port.service)
    cluster = ClusterSpec(
        name=names.inbound_cluster(port.number),
        discovery=Discovery.ORIGINAL_DST,
        # The application is spoken to as the caller spoke, which may be HTTP/2 on a port declared as http.
        protocol=UpstreamProtocol.DOWNSTREAM if spoken is UpstreamProtocol.HTTP1 else spoken,
        connect_timeout=read.get(mesh).connect_timeout,
        source_address=LOOPBACK_SOURCE,
        service=("", service.ref.name, service.namespace) if service is not None else ("", "", ""),
    )
    return (cluster,)
