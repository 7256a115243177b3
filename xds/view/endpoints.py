"""The endpoints of a service's port, joined from slices, pods and nodes, and cut to a cluster's subset."""

from __future__ import annotations

from xds.model.endpoint import (
    NOWHERE,
    Endpoint,
    EndpointKey,
    EndpointSlice,
    Health,
    Locality,
    SliceAddress,
)
from xds.model.identity import account_path
from xds.model.labels import Labels
from xds.model.placement import Placement
from xds.model.service import Service, ServiceKey
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view.graph import Read
from xds.view.mutual_tls import takes_tls, tells_apart
from xds.view.own_machine import is_admin, is_of_machine
from xds.view.placement import placed
from xds.view.selected_endpoints import pod_locality, selected
from xds.view.specs.clusters import EndpointGroup, LocalityGroup


def endpoints(read: Read, key: EndpointKey) -> tuple[Endpoint, ...]:
    """All endpoints behind a service's port, sorted by address; an address named twice counts once.

    None is its caller's own admin interface, be its author who he may.
    """
    service: Service | None = read.first(Table.SERVICE, ServiceKey(key.hostname, key.namespace))
    port = service.port(key.port) if service is not None else None
    if service is None or port is None:
        return ()
    found: dict[tuple[str, int], Endpoint] = {}
    slices: tuple[EndpointSlice, ...] = read.rows(Table.SLICE, service.key)
    for part in slices:
        if _is_of_rival(part, service):
            continue
        shared = dict(part.ports)
        for address in part.addresses:
            number = dict(address.ports).get(port.name) or shared.get(port.name)
            if number is None or (address.terminating and not _kept(service, address)):
                continue
            endpoint = _joined(read, service, address, number)
            found.setdefault((address.address, number), endpoint)
    for endpoint in selected(read, service, port) if service.selector else ():
        found.setdefault((endpoint.address, endpoint.port), endpoint)
    return tuple(endpoint for at, endpoint in sorted(found.items()) if not is_admin(*at))


def _kept(service: Service, address: SliceAddress) -> bool:
    # On its way out, and answering still: who has a session with it stays, and nobody else comes.
    return service.keeps_sessions and address.serving


def _is_of_rival(part: EndpointSlice, service: Service) -> bool:
    # A ServiceEntry that lost its host to an older one, or to a Service, has lost its endpoints with it.
    return part.ref.kind == "ServiceEntry" and part.ref != service.ref


def _joined(read: Read, service: Service, address: SliceAddress, port: int) -> Endpoint:
    pod: Workload | None = read.first(Table.ADDRESS, address.address)
    healthy = Health.HEALTHY if address.ready or service.publish_not_ready else Health.UNHEALTHY
    labels = pod.labels if pod is not None else address.labels
    namespace = pod.namespace if pod is not None else service.namespace
    service_account = pod.service_account if pod is not None else address.service_account
    return Endpoint(
        address=address.address,
        port=port,
        labels=labels,
        health=Health.DRAINING if address.terminating else healthy,
        weight=address.weight,
        locality=_locality(read, address, pod),
        account=account_path(namespace, service_account) if service_account else "",
        workload=f"{pod.owner or pod.ref.name};{namespace}" if pod is not None else "",
        hostname=address.hostname,
        node=address.node or (pod.node if pod is not None else ""),
        tls=takes_tls(read, namespace, labels, port) and (pod is None or tells_apart(read, pod, port)),
    )


def _locality(read: Read, address: SliceAddress, pod: Workload | None) -> Locality:
    if any(address.locality):
        return address.locality
    of_pod = pod_locality(read, pod) if pod is not None else NOWHERE
    return of_pod if any(of_pod) else Locality(zone=address.zone)


def endpoint_group(
    read: Read, cluster: str, key: EndpointKey, subset: Labels, by_router: bool = False
) -> tuple[EndpointGroup, ...]:
    """The load assignment of ``cluster``: the endpoints whose labels include ``subset``, by locality.

    ``by_router``: a gateway's clients are anybody, to whom it does not show its own machine.
    """
    return (EndpointGroup(cluster, localities(_called(read, key, by_router=by_router), subset)),)


def _called(read: Read, key: EndpointKey, *, by_router: bool) -> tuple[Endpoint, ...]:
    found = read.get(endpoints, key)
    return tuple(each for each in found if not is_of_machine(each.address)) if by_router else found


def into_machine(read: Read, key: EndpointKey) -> bool:
    """Whether any endpoint is one of its caller's machine; stays equal while others come and go."""
    return any(is_of_machine(each.address) for each in read.get(endpoints, key))


def placed_group(
    read: Read, cluster: str, key: EndpointKey, subset: Labels, wanted: Placement, by_router: bool = False
) -> tuple[EndpointGroup, ...]:
    """The load assignment of ``cluster`` for callers that are given its endpoints as ``wanted``."""
    return (EndpointGroup(cluster, placed(_called(read, key, by_router=by_router), subset, wanted)),)


def localities(all_of_them: tuple[Endpoint, ...], subset: Labels) -> tuple[LocalityGroup, ...]:
    """Those endpoints whose labels include ``subset``, grouped by locality, sorted."""
    groups: dict[Locality, list[Endpoint]] = {}
    for endpoint in all_of_them:
        if subset <= endpoint.labels:
            groups.setdefault(endpoint.locality, []).append(endpoint)
    return tuple(LocalityGroup(locality, tuple(found)) for locality, found in sorted(groups.items()))
