"""Who answers behind which name and address: for the resolver, and for pods without a sidecar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xds.kinds.authored import Authored
from xds.kinds.endpoint_slice import EndpointSlice
from xds.kinds.service import Service
from xds.kinds.service import ServicePort as PortStruct
from xds.kinds.service_entry import ServiceEntry
from xds.local.cluster import HEADLESS, SERVICE_NAME
from xds.local.pods import PodKey
from xds.local.services import HostAddresses, LocalService, ServiceEndpoint, ServicePort
from xds.model.refs import ObjectRef


def local_services(services: Mapping[ObjectRef, Service], slices: Iterable[EndpointSlice]) -> tuple[LocalService, ...]:
    """Each Service with the ready endpoints of its slices, sorted."""
    behind: dict[tuple[str, str], list[EndpointSlice]] = {}
    for each in slices:
        name = each.metadata.labels.get(SERVICE_NAME, "")
        behind.setdefault((each.metadata.namespace, name), []).append(each)
    return tuple(
        _service(ref, struct, behind.get((ref.namespace, ref.name), [])) for ref, struct in sorted(services.items())
    )


def _service(ref: ObjectRef, struct: Service, slices: list[EndpointSlice]) -> LocalService:
    spec = struct.spec
    addresses = dict.fromkeys((spec.cluster_ip, *spec.cluster_ips))
    endpoints = {
        endpoint.addresses[0]: ServiceEndpoint(
            address=endpoint.addresses[0],
            hostname=endpoint.hostname or "",
            pod=PodKey(ref.namespace, endpoint.target_ref.name) if endpoint.target_ref is not None else None,
        )
        for each in slices
        for endpoint in each.endpoints
        if endpoint.conditions.ready is not False or spec.publish_not_ready_addresses
    }
    return LocalService(
        namespace=ref.namespace,
        name=ref.name,
        cluster_ips=tuple(address for address in addresses if address and address != HEADLESS),
        ports=tuple(_port(port, slices) for port in spec.ports),
        endpoints=tuple(endpoints[address] for address in sorted(endpoints)),
        external_name=spec.external_name,
        load_balancer=spec.type == "LoadBalancer",
    )


def _port(port: PortStruct, slices: list[EndpointSlice]) -> ServicePort:
    backends = sorted(
        (endpoint.addresses[0], known.port)
        for each in slices
        for known in each.ports
        if known.port is not None and (known.name or "") == port.name
        for endpoint in each.endpoints
        if endpoint.conditions.ready is not False
    )
    return ServicePort(port.port, port.protocol, tuple(dict.fromkeys(backends)), port.name)


def entry_hosts(objects: Iterable[Authored]) -> tuple[HostAddresses, ...]:
    """The hosts of ServiceEntries that have addresses (their own, or those allotted by ``cluster.addressed``)."""
    found: dict[str, HostAddresses] = {}
    for entry in (struct for struct in objects if isinstance(struct, ServiceEntry)):
        single = tuple(address for address in entry.spec.addresses if "/" not in address)
        for host in entry.spec.hosts if single else ():
            found.setdefault(host, HostAddresses(host, single))
    return tuple(found[host] for host in sorted(found))
