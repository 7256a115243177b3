"""Where a call comes to: the service that a host means, the pods behind it, and how a caller's proxy speaks to them."""

from __future__ import annotations

from typing import NamedTuple

from xds.explain.path.seen import names_of
from xds.explain.path.steps import Leg
from xds.explain.request import HttpRequest
from xds.model.endpoint import EndpointKey, Health
from xds.model.identity import Identity, account_path
from xds.model.labels import NO_LABELS, Labels
from xds.model.proxy import SIDECAR, Proxy
from xds.model.refs import ObjectRef
from xds.model.service import Protocol, Service, ServiceKey
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view.endpoints import endpoints
from xds.view.graph import Read
from xds.view.inbound import Offer, inbound_ports
from xds.view.scope import mesh, resolved_service


class Caller(NamedTuple):
    """Who calls. ``proven`` is whether it shows an identity, hence has a proxy; else only its address is known.

    ``router`` is whether that proxy is a gateway, ``name`` the pod's.
    """

    namespace: str
    account: str = ""
    address: str = ""
    labels: Labels = NO_LABELS
    proven: bool = True
    name: str = ""
    router: bool = False

    @property
    def proxy(self) -> Proxy:
        """Its proxy, as one that is sent all that it may reach, in whole route tables."""
        return Proxy(
            "explain",
            kind="router" if self.router else SIDECAR,
            namespace=self.namespace,
            name=self.name,
            labels=self.labels,
            addresses=(self.address,) if self.address else (),
            service_account=self.account or "default",
            vhds=False,
            identity=Identity.ADS,
        )


class Arrival(NamedTuple):
    """One address that a call may come to, what the proxy there takes the call for, and how it comes.

    ``pod`` is None outside of the mesh; ``port`` is the pod's; ``principal`` and ``sni`` are empty over plaintext;
    ``rule`` is the DestinationRule that holds for the call, ``cluster`` the one by which it comes, if any,
    and ``http`` the request as the caller's proxy sends it there, where that is another one. ``insists`` is whether it
    speaks mutual TLS whatever the pod takes; ``unproven`` is why it does not take the pod for whom it has called.
    """

    pod: Workload | None
    address: str
    port: int
    protocol: Protocol
    principal: str = ""
    sni: str = ""
    rule: ObjectRef | None = None
    cluster: str = ""
    http: HttpRequest | None = None
    insists: bool = False
    unproven: str = ""


class LeadingPort(NamedTuple):
    """A service's port that leads to a pod, and the pod's port behind it."""

    service: ServiceKey
    port: int
    target: int


def called(read: Read, host: str, namespace: str) -> Service | None:
    """The service that clients in the namespace mean by a host, looked for as resolvers in pods do."""
    found = (resolved_service(read, each, namespace) for each in names_of(read, host, namespace))
    return next((each for each in found if each is not None), None)


def leading_ports(read: Read, pod: Workload) -> tuple[LeadingPort, ...]:
    """Every port of a service that leads to the pod, the oldest service first."""
    known: tuple[Service, ...] = read.rows(Table.SELECTING, pod.namespace)
    return tuple(
        LeadingPort(service.key, port.number, endpoint.port)
        for service in known
        if service.selector <= pod.labels
        for port in service.ports
        for endpoint in read.get(endpoints, EndpointKey(*service.key, port.number))
        if endpoint.address in pod.addresses[:1]
    )


def arrivals(read: Read, key: ServiceKey, port: int) -> tuple[Arrival, ...]:
    """Every address that a call to a port of the service may come to whose caller has no proxy."""
    return tuple(read.get(direct, each.address, each.port) for each in read.get(endpoints, EndpointKey(*key, port)))


def forwarded(read: Read, caller: Caller, legs: tuple[Leg, ...]) -> tuple[Arrival, ...]:
    """Every address that a call may come to which its caller's proxy forwards; healthy ones, while there are any."""
    principal = f"{read.get(mesh).trust.own}/{account_path(caller.namespace, caller.account)}"
    found = []
    for leg in legs:
        if leg.fault or not leg.share:
            continue
        live = [each for each in leg.endpoints if each.health is Health.HEALTHY] or leg.endpoints
        for endpoint in live:
            one = read.get(direct, endpoint.address, endpoint.port)
            if leg.mutual and (leg.to_all or endpoint.tls):
                one = one._replace(principal=principal, sni=leg.sni, insists=leg.to_all)
                one = one._replace(unproven=_unproven(read, one.pod, leg.names))
            found.append(one._replace(rule=leg.rule if leg.by_rule else None, cluster=leg.cluster, http=leg.http))
    return tuple(found)


def _unproven(read: Read, pod: Workload | None, names: tuple[str, ...]) -> str:
    """Why a pod is not taken for one of these names; empty where it is, or where nobody knows what it proves."""
    if pod is None or not names:
        return ""
    proven = f"spiffe://{read.get(mesh).trust.own}/{account_path(pod.namespace, pod.service_account or 'default')}"
    return "" if proven in names else f"the server proves {proven}, and the caller takes only {', '.join(names)}"


def passed_on(read: Read, address: str, port: int) -> tuple[Arrival, ...]:
    """Where a call comes to that a proxy passes on to the address that was dialled."""
    known: tuple[Service, ...] = read.rows(Table.VIRTUAL_ADDRESS, address)
    service = next((each for each in known if each.port(port) is not None), None)
    if service is not None:
        return arrivals(read, service.key, port)
    return (read.get(direct, address, port),) if address else ()


def direct(read: Read, address: str, port: int) -> Arrival:
    """What comes to a port of an address that the caller has chosen itself: nobody encrypts it."""
    pod: Workload | None = read.first(Table.ADDRESS, address)
    protocol = Protocol.TCP
    if pod is not None:
        offered = read.get(inbound_ports, Offer(pod.namespace, pod.labels, pod.ref.name))
        protocol = next((each.protocol for each in offered if each.number == port), Protocol.TCP)
    return Arrival(pod, address, port, protocol)
