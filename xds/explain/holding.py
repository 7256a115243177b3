"""What holds for a workload and for a service: who selects it, and which objects decide what becomes of its calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xds.model.labels import NO_LABELS, Labels
from xds.model.refs import ObjectRef
from xds.model.route import VirtualService
from xds.model.security import Attachment, Mtls, MtlsMode, PeerAuthentication
from xds.model.service import DestinationRule, Service, ServiceKey
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view.attach import rule, rule_at
from xds.view.delegates import hosts_routed
from xds.view.filters import targeted
from xds.view.graph import Read
from xds.view.mutual_tls import mtls
from xds.view.observed import telemetry_of
from xds.view.scope import Scope, mesh
from xds.view.sidecar_at import sidecar_at


@dataclass(frozen=True, slots=True)
class OfService:
    """What holds for calls of a service, as who is in its namespace sees it.

    ``routes`` lead to it, and so do ``api_routes`` of the Gateway API; ``rule`` is for its callers.
    """

    service: Service
    routes: tuple[VirtualService, ...]
    api_routes: tuple[ObjectRef, ...]
    rule: DestinationRule | None


@dataclass(frozen=True, slots=True)
class OfWorkload:
    """What holds for a pod: the services that select it, what it takes, and what is attached to it."""

    pod: Workload
    services: tuple[OfService, ...]
    mtls: Mtls
    attached: tuple[ObjectRef, ...]

    def subsets(self, of: OfService) -> tuple[str, ...]:
        """The subsets of a service that the pod is in."""
        found = of.rule.subsets if of.rule is not None else ()
        return tuple(each.name for each in found if each.labels <= self.pod.labels)


def of_service(read: Read, service: Service) -> OfService:
    """What holds for a service."""
    key = service.key
    at = rule_at(read, key, Scope(key.namespace, key.namespace))
    return OfService(
        service,
        tuple(_leading(read, key)),
        tuple(sorted(read.rows(Table.LEADING_ROUTE, service.ref), key=str)),
        rule(read, at) if at is not None else None,
    )


def of_workload(read: Read, pod: Workload) -> OfWorkload:
    """What holds for a pod."""
    selecting: tuple[Service, ...] = read.rows(Table.SELECTING, pod.namespace)
    services = (of_service(read, each) for each in selecting if each.selector <= pod.labels)
    return OfWorkload(
        pod,
        tuple(services),
        mtls(read, pod.namespace, pod.labels),
        tuple(dict.fromkeys(_attached(read, pod.namespace, pod.labels))),
    )


def pods_of(read: Read, service: Service) -> tuple[Workload, ...]:
    """The pods that a service selects, sorted by name."""
    if service.selector == NO_LABELS:
        return ()
    names = sorted(name for home, name in read.keys(Table.WORKLOAD) if home == service.namespace)
    found = (read.first(Table.WORKLOAD, (service.namespace, name)) for name in names)
    return tuple(pod for pod in found if pod is not None and service.selector <= pod.labels)


def _leading(read: Read, key: ServiceKey) -> Iterator[VirtualService]:
    """The VirtualServices that lead to a service, for the mesh or for gateways, or that have its name."""
    for ref in sorted(read.keys(Table.VIRTUAL_SERVICE), key=str):
        routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, ref)
        if routed is None:
            continue
        connections = (share.destination.host for each in (*routed.tls, *routed.tcp) for share in each.destinations)
        if key.hostname in {*routed.hosts, *hosts_routed(read, routed), *connections}:
            yield routed


def _attached(read: Read, namespace: str, labels: Labels) -> Iterator[ObjectRef]:
    """The widest first: of PeerAuthentication, Telemetry and Sidecar those that count, of policies all."""
    root = read.get(mesh).root_namespace
    yield from _peer_authentications(read, root, namespace, labels)
    for owner in dict.fromkeys((root, namespace)):
        attachments: tuple[Attachment, ...] = read.rows(Table.ATTACHMENT, owner)
        for each in attachments:
            meant = owner == namespace and targeted(each, labels) if each.targets else each.selector <= labels
            if meant:
                yield each.of
    yield from telemetry_of(read, namespace, labels)
    found = sidecar_at(read, namespace, labels)
    if found is not None:
        yield found


def _peer_authentications(read: Read, root: str, namespace: str, labels: Labels) -> Iterator[ObjectRef]:
    for owner in dict.fromkeys((root, namespace)):
        rows: tuple[Attachment, ...] = read.rows(Table.PEER_AUTHENTICATION, owner)
        wide = next((each.of for each in rows if not each.selector), None)
        own = next((each.of for each in rows if owner == namespace and each.selector and each.selector <= labels), None)
        for ref in (wide, own):
            said: PeerAuthentication | None = read.first(Table.POLICY, ref) if ref is not None else None
            if said is not None and (said.mode is not MtlsMode.UNSET or said.port_modes):
                yield said.ref
