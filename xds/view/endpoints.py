"""The endpoints of a service's port, joined from slices, pods and nodes, and cut to a cluster's subset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from xds.model.endpoint import (
    NOWHERE,
    Endpoint,
    EndpointKey,
    EndpointSlice,
    Health,
    Locality,
    SliceAddress,
)
from xds.model.families import Families, version_of
from xds.model.identity import account_path
from xds.model.labels import NO_LABELS, Labels
from xds.model.network import Viewpoint
from xds.model.placement import Placement
from xds.model.service import Service, ServiceKey
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view.cluster_sets import cluster_local, own_cluster, pod_at, with_cluster
from xds.view.graph import Read
from xds.view.mutual_tls import takes_tls, tells_apart
from xds.view.networks import Somewhere, is_near, network_at, seen_from
from xds.view.own_machine import is_admin, is_of_machine
from xds.view.placement import placed
from xds.view.selected_endpoints import pod_locality, selected, twin_of
from xds.view.specs.clusters import EndpointGroup, LocalityGroup


class Callers(NamedTuple):
    """What decides to which of a service's endpoints callers are led: whether they are ``routers``, their families.

    Of a pod with addresses of both families, callers of both are led to one: that of the service's first family.
    ``seen`` is from where they call, None where that makes no difference.
    """

    routers: bool = False
    families: Families = Families.IPV4
    seen: Viewpoint | None = None


SIDECARS: Final = Callers()


def endpoints(read: Read, key: EndpointKey) -> tuple[Endpoint, ...]:
    """All endpoints behind a service's port, sorted by address; an address named twice counts once.

    None is its caller's own admin interface, be its author who he may.
    """
    service: Service | None = read.first(Table.SERVICE, ServiceKey(key.hostname, key.namespace))
    port = service.port(key.port) if service is not None else None
    if service is None or port is None:
        return ()
    found: dict[tuple[str, int, str], Endpoint] = {}
    slices: tuple[EndpointSlice, ...] = read.rows(Table.SLICE, service.key)
    for part in slices:
        if _is_of_rival(part, service) or (part.ref.cluster and read.get(cluster_local, key.hostname)):
            continue
        shared = dict(part.ports)
        for address in part.addresses:
            number = dict(address.ports).get(port.name) or shared.get(port.name)
            if number is None or (address.terminating and not _kept(service, address)):
                continue
            endpoint = _joined(read, service, address, number, part.ref.cluster)
            found.setdefault(_where(endpoint, len(found)), endpoint)
    for endpoint in selected(read, service, port) if service.selector else ():
        found.setdefault(_where(endpoint, len(found)), endpoint)
    known = (endpoint for _, endpoint in sorted(found.items()) if endpoint.address or endpoint.network)
    return tuple(each for each in known if not is_admin(each.address, each.port))


def _where(endpoint: Endpoint, number: int) -> tuple[str, int, str]:
    # Networks may have the same addresses. Where only a gateway leads to it, it is one of its own.
    return endpoint.address or f"?{number}", endpoint.port, endpoint.network


def _kept(service: Service, address: SliceAddress) -> bool:
    # On its way out, and answering still: who has a session with it stays, and nobody else comes.
    return service.keeps_sessions and address.serving


def _is_of_rival(part: EndpointSlice, service: Service) -> bool:
    # A ServiceEntry that lost its host to an older one, or to a Service, has lost its endpoints with it.
    return part.ref.kind == "ServiceEntry" and part.ref != service.ref


def _joined(read: Read, service: Service, address: SliceAddress, port: int, cluster: str) -> Endpoint:
    pod: Workload | None = read.first(*pod_at(cluster, address.address))
    healthy = Health.HEALTHY if address.ready or service.publish_not_ready else Health.UNHEALTHY
    labels = pod.labels if pod is not None else address.labels
    namespace = pod.namespace if pod is not None else service.namespace
    service_account = pod.service_account if pod is not None else address.service_account
    return Endpoint(
        address=address.address,
        port=port,
        labels=with_cluster(labels, cluster or read.get(own_cluster)),
        health=Health.DRAINING if address.terminating else healthy,
        weight=address.weight,
        locality=_locality(read, address, pod),
        account=account_path(namespace, service_account) if service_account else "",
        workload=f"{pod.owner or pod.ref.name};{namespace}" if pod is not None else "",
        hostname=address.hostname,
        node=address.node or (pod.node if pod is not None else ""),
        twin=twin_of(pod, address.address) if pod is not None else "",
        tls=takes_tls(read, namespace, labels, port) and (pod is None or tells_apart(read, pod, port)),
        network=network_at(read, Somewhere(address.address, labels, cluster, address.network, service.external)),
    )


def _locality(read: Read, address: SliceAddress, pod: Workload | None) -> Locality:
    if any(address.locality):
        return address.locality
    of_pod = pod_locality(read, pod) if pod is not None else NOWHERE
    return of_pod if any(of_pod) else Locality(zone=address.zone)


def endpoint_group(
    read: Read, cluster: str, key: EndpointKey, subset: Labels, callers: Callers = SIDECARS
) -> tuple[EndpointGroup, ...]:
    """The load assignment of ``cluster``: the endpoints whose labels include ``subset``, by locality."""
    return (EndpointGroup(cluster, localities(shown(read, key, callers, subset), subset)),)


def shown(read: Read, key: EndpointKey, callers: Callers, subset: Labels = NO_LABELS) -> tuple[Endpoint, ...]:
    """The endpoints behind a service's port to which such callers are led.

    What stands for endpoints of other networks does so for those of ``subset`` alone; near ones are there with any
    labels. A gateway's clients are anybody, to whom it does not show its own machine.
    """
    found = read.get(endpoints, key)
    if any(each.twin for each in found):
        found = _each_pod_once(found, _preferred(read, key, callers.families))
    if callers.seen is not None:
        found = seen_from(read, found, callers.seen, subset)
    if callers.routers:
        found = tuple(each for each in found if not is_of_machine(each.address))
    if all(callers.families.takes(each.address) for each in found):
        return found
    return tuple(each for each in found if callers.families.takes(each.address))


def _preferred(read: Read, key: EndpointKey, families: Families) -> int:
    if families is not Families.BOTH:
        return 6 if families is Families.IPV6 else 4
    service: Service | None = read.first(Table.SERVICE, ServiceKey(key.hostname, key.namespace))
    return version_of(service.addresses[0].partition("/")[0]) if service is not None and service.addresses else 4


def _each_pod_once(found: tuple[Endpoint, ...], preferred: int) -> tuple[Endpoint, ...]:
    known = {(each.address, each.port, each.network) for each in found}

    def again(each: Endpoint) -> bool:
        return version_of(each.address) != preferred and (each.twin, each.port, each.network) in known

    return tuple(each for each in found if not (each.twin and again(each)))


def into_machine(read: Read, key: EndpointKey) -> bool:
    """Whether any endpoint is one of its caller's machine; stays equal while others come and go."""
    return any(is_of_machine(each.address) for each in read.get(endpoints, key))


def splits(read: Read, key: EndpointKey, network: str) -> bool:
    """Whether some endpoints of a port are in another network, or have no address, or two have the same one.

    Stays equal while others come and go.
    """
    found = read.get(endpoints, key)
    if any(not each.address or not is_near(each.network, network) for each in found):
        return True
    return len({(each.address, each.port) for each in found}) < len(found)


def placed_group(
    read: Read, cluster: str, key: EndpointKey, subset: Labels, wanted: Placement, callers: Callers = SIDECARS
) -> tuple[EndpointGroup, ...]:
    """The load assignment of ``cluster`` for callers that are given its endpoints as ``wanted``."""
    return (EndpointGroup(cluster, placed(shown(read, key, callers, subset), subset, wanted)),)


def localities(all_of_them: Iterable[Endpoint], subset: Labels) -> tuple[LocalityGroup, ...]:
    """Those endpoints whose labels include ``subset``, grouped by locality, sorted."""
    groups: dict[Locality, list[Endpoint]] = {}
    for endpoint in all_of_them:
        if subset <= endpoint.labels:
            groups.setdefault(endpoint.locality, []).append(endpoint)
    return tuple(LocalityGroup(locality, tuple(found)) for locality, found in sorted(groups.items()))
