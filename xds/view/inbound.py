"""What a workload offers: the ports that services select it for, and the clusters that lead to its application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from xds.model.endpoint import NOWHERE, Endpoint
from xds.model.families import Families
from xds.model.gateway import EdgeTls
from xds.model.identity import Identity
from xds.model.labels import Labels
from xds.model.mesh import InboundMode
from xds.model.policy import NO_POLICIES, Policies
from xds.model.service import Protocol, Service, ServiceKey, ServicePort
from xds.model.sidecar import Ingress, Sidecar
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.model.workload_group import WorkloadGroup, group_ref
from xds.view import names
from xds.view.attach import at_server
from xds.view.clusters import LOOPBACK_SOURCES, upstream_protocol
from xds.view.graph import Read
from xds.view.scope import mesh
from xds.view.sidecar_at import sidecar, sidecar_at
from xds.view.specs.clusters import ClusterSpec, Discovery, LocalityGroup, UpstreamProtocol

_PREFERRED: Final = (Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB, Protocol.AUTO)
_SERVING: Final = {protocol: rank for rank, protocol in enumerate(_PREFERRED)}


class InboundPort(NamedTuple):
    """A port of the pod that some service leads to, by its port ``called``; who says what it speaks: ``precedence``.

    A Sidecar may say more: ``bind`` is the address of a real socket of the proxy, where connections are not captured;
    ``endpoint`` is where the application is (``unix://`` and a path, or an address), empty for the address that the
    caller chose; ``target`` is the port there, 0 for the same. ``service`` is None where none leads to the port.
    ``passed`` are the ports of services that a Sidecar does not name: what comes in is passed on as it is, but proven
    if it can be.
    """

    number: int
    protocol: Protocol
    service: ServiceKey | None
    called: int = 0
    bind: str = ""
    endpoint: str = ""
    target: int = 0
    policies: Policies = NO_POLICIES
    tls: EdgeTls | None = None
    passed: bool = False

    @property
    def takes_http(self) -> bool:
        """Whether some chain of the port is HTTP, and has routes."""
        return self.protocol.is_http or self.protocol is Protocol.AUTO


class Offer(NamedTuple):
    """The part of a proxy that decides its inbound configuration; ``group`` is the WorkloadGroup of a machine."""

    namespace: str
    labels: Labels
    pod: str = ""
    identity: Identity = Identity.NONE
    group: str = ""
    families: Families = Families.IPV4


def inbound_ports(read: Read, offer: Offer) -> tuple[InboundPort, ...]:
    """The ports that a Sidecar says, else those that services select this workload for; sorted, each once."""
    declared = _service_ports(read, offer)
    found = sidecar(read, read.get(sidecar_at, offer.namespace, offer.labels))
    if found is not None and found.ingress:
        wanted = {number: port._replace(protocol=Protocol.TCP, passed=True) for number, port in declared.items()}
        for each in found.ingress:
            if each.number not in names.TAKEN_PORTS:
                wanted[each.number] = _stated(each, declared.get(each.number), found)
        return tuple(wanted[number] for number in sorted(wanted))
    ports = (declared[number] for number in sorted(declared))
    if found is None or not found.inbound_policies:
        return tuple(ports)
    return tuple(port._replace(policies=found.inbound_policies) for port in ports)


def _stated(ingress: Ingress, declared: InboundPort | None, found: Sidecar) -> InboundPort:
    return InboundPort(
        number=ingress.number,
        protocol=ingress.protocol,
        service=declared.service if declared is not None else None,
        called=declared.called if declared is not None else 0,
        bind=ingress.bind,
        endpoint=ingress.endpoint,
        target=ingress.target,
        policies=ingress.policies.over(found.inbound_policies),
        tls=ingress.tls,
    )


def _itself(read: Read, offer: Offer) -> tuple[Workload | None, WorkloadGroup | None]:
    pod: Workload | None = read.first(Table.WORKLOAD, (offer.namespace, offer.pod)) if offer.pod else None
    machine: WorkloadGroup | None = (
        read.first(Table.WORKLOAD_GROUP, group_ref(offer.namespace, offer.group)) if offer.group else None
    )
    return pod, machine


def _service_ports(read: Read, offer: Offer) -> dict[int, InboundPort]:
    pod, machine = _itself(read, offer)
    stated: dict[int, dict[ServiceKey, tuple[Service, ServicePort]]] = {}
    services: tuple[Service, ...] = read.rows(Table.SELECTING, offer.namespace)
    for service in services:
        if not service.selector <= offer.labels:
            continue
        for port in service.ports:
            number = _machine_port(port, dict(machine.ports)) if machine is not None else pod_port(port, pod)
            if number and number not in names.TAKEN_PORTS:
                stated.setdefault(number, {}).setdefault(service.key, (service, port))
    found: dict[int, InboundPort] = {}
    for number, claims in stated.items():
        service, port = min(claims.values(), key=lambda claim: precedence(*claim))
        found[number] = InboundPort(number, port.protocol, service.key, port.number)
    return found


def expected_ports(read: Read, offer: Offer) -> tuple[int, ...]:
    """The ports that the workload itself says it listens on, whether a service leads to them or not yet; sorted."""
    pod, machine = _itself(read, offer)
    own = {number for _, number in machine.ports} if machine is not None else set(pod.listens if pod else ())
    return tuple(sorted(own - names.TAKEN_PORTS))


def precedence(service: Service, port: ServicePort) -> tuple[str, int, str]:
    """Of services that lead to one port of a pod, the least by this says what is spoken there.

    That is the oldest. Of equally old ones (files tell no age) it is the one whose word serves the callers of the
    others best, so that a service that is added takes nothing from them: HTTP/1 is passed on as it comes, HTTP/2 too.
    """
    return service.created, _SERVING.get(port.protocol, len(_SERVING)), service.ref.name


def pod_port(port: ServicePort, pod: Workload | None) -> int:
    """The port of a service on a pod; 0 where it is named and the pod has no port of that name."""
    if isinstance(port.target, int):
        return port.target
    return pod.port(port.target) if pod is not None else 0


def _machine_port(port: ServicePort, own: Mapping[str, int]) -> int:
    """As callers find it (``selected_endpoints``): the machine's own port of the service port's or target's name."""
    if isinstance(port.target, str):
        return own.get(port.name) or own.get(port.target, 0)
    return own.get(port.name) or port.target


def inbound_cluster(read: Read, port: InboundPort, families: Families = Families.IPV4) -> tuple[ClusterSpec, ...]:
    """The cluster of a port: the address that the caller chose, from an address that interception leaves alone.

    Or where a Sidecar says that the application is, or the mesh says that all are. None of a port that is passed on.
    """
    if port.passed:
        return ()
    spoken = upstream_protocol(port.protocol)
    service: Service | None = read.first(Table.SERVICE, port.service) if port.service is not None else None
    hosts = _hosts(port, read.get(mesh).inbound_mode, families)
    policies = read.get(at_server, port.service, port.called) if port.service is not None else NO_POLICIES
    cluster = ClusterSpec(
        name=names.inbound_cluster(port.number),
        discovery=Discovery.STATIC if hosts else Discovery.ORIGINAL_DST,
        endpoints=hosts,
        port_override=port.target if not hosts and port.target != port.number else 0,
        # The application is spoken to as the caller spoke, which may be HTTP/2 on a port declared as http.
        protocol=UpstreamProtocol.DOWNSTREAM if spoken is UpstreamProtocol.HTTP1 else spoken,
        connect_timeout=read.get(mesh).connect_timeout,
        source_addresses=() if hosts else LOOPBACK_SOURCES[families],
        policies=port.policies.over(policies),
        service=(service.hostname, service.ref.name, service.namespace) if service is not None else ("", "", ""),
    )
    return (cluster,)


def _hosts(port: InboundPort, mode: InboundMode, families: Families) -> tuple[LocalityGroup, ...]:
    loopback = "::1" if families is Families.IPV6 else "127.0.0.1"
    address = port.endpoint or (loopback if mode is InboundMode.LOCALHOST else "")
    if not address:
        return ()
    return (LocalityGroup(NOWHERE, (Endpoint(address, port.target or port.number),)),)
