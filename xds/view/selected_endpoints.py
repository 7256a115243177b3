"""Endpoints that a service has by its selector, and not by slices: WorkloadEntries, and a ServiceEntry's pods."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from xds.model.endpoint import NOWHERE, UNIX, Endpoint, Health, Locality
from xds.model.families import is_ip, version_of
from xds.model.identity import account_path
from xds.model.labels import Labels
from xds.model.service import Resolution, Service, ServicePort
from xds.model.snapshot import Input, Table
from xds.model.workload import Node, Workload
from xds.model.workload_entry import WorkloadEntry
from xds.view.graph import Read
from xds.view.mutual_tls import takes_tls, tells_apart
from xds.view.networks import Somewhere, network_at

_BY_DNS: Final = (Resolution.DNS, Resolution.DNS_ROUND_ROBIN)


def selected(read: Read, service: Service, port: ServicePort) -> Iterator[Endpoint]:
    """The endpoints behind a port that the service's selector chooses, beside those of its slices.

    Source: istio-semantics 1.4 and 1.5: Services select WorkloadEntries, too; ServiceEntries select both.
    """
    entries: tuple[WorkloadEntry, ...] = read.rows(Table.WORKLOAD_ENTRY, service.namespace)
    for entry in entries:
        if service.selector <= entry.labels and _fits(entry, service):
            number = _port_of(entry, port)
            if number:
                yield _of_entry(read, entry, number, service)
    if service.kubernetes:
        return
    for pod in read.get(_pods, service.namespace, service.selector):
        if isinstance(port.target, int):
            for address in pod.addresses:
                yield _of_pod(read, pod, address, port.target)


def pod_locality(read: Read, pod: Workload) -> Locality:
    """Where a pod runs: as it says itself, else as its node says."""
    if any(pod.locality):
        return pod.locality
    node: Node | None = read.first(*_node_of(pod)) if pod.node else None
    return node.locality if node is not None else NOWHERE


def _node_of(pod: Workload) -> Input:
    cluster = pod.ref.cluster
    return Input(Table.REMOTE_NODE, (cluster, pod.node)) if cluster else Input(Table.NODE, pod.node)


def _fits(entry: WorkloadEntry, service: Service) -> bool:
    address = entry.address
    if not address and entry.network:
        return True  # nobody calls it but by its network's gateway
    # Envoy takes a name only where it resolves names, and refuses all endpoints for one.
    if service.resolution in _BY_DNS:
        return bool(address) and not address.startswith(UNIX)
    return address.startswith(UNIX) or is_ip(address)


def _port_of(entry: WorkloadEntry, port: ServicePort) -> int:
    """The entry's own port of the service port's name, or of the name that the service gives its target."""
    if isinstance(port.target, str):
        return entry.port(port.name) or entry.port(port.target)
    return entry.port(port.name) or port.target


def _of_entry(read: Read, entry: WorkloadEntry, port: int, service: Service) -> Endpoint:
    namespace, account = entry.ref.namespace, entry.service_account
    return Endpoint(
        address=entry.address,
        port=port,
        labels=entry.labels,
        health=Health.HEALTHY if entry.healthy else Health.UNHEALTHY,
        weight=entry.weight,
        locality=entry.locality,
        account=account_path(namespace, account) if account else "",
        workload=f"{entry.ref.name};{namespace}",
        tls=takes_tls(read, namespace, entry.labels, port),
        network=network_at(read, Somewhere(entry.address, entry.labels, "", entry.network, service.external)),
    )


def twin_of(pod: Workload, address: str) -> str:
    """The pod's address of the other family than ``address``; ``""`` where it has none."""
    if len(pod.addresses) < 2:
        return ""
    own = version_of(address)
    return next((each for each in pod.addresses if version_of(each) not in (own, 0)), "")


def _of_pod(read: Read, pod: Workload, address: str, port: int) -> Endpoint:
    account = pod.service_account
    return Endpoint(
        address=address,
        port=port,
        labels=pod.labels,
        health=Health.HEALTHY if pod.ready else Health.UNHEALTHY,
        locality=pod_locality(read, pod),
        account=account_path(pod.namespace, account) if account else "",
        workload=f"{pod.owner or pod.ref.name};{pod.namespace}",
        node=pod.node,
        twin=twin_of(pod, address),
        tls=takes_tls(read, pod.namespace, pod.labels, port) and tells_apart(read, pod, port),
        network=network_at(read, Somewhere(address, pod.labels, pod.ref.cluster)),
    )


def _pods(read: Read, namespace: str, selector: Labels) -> tuple[Workload, ...]:
    """The pods of a namespace that have an address and these labels, and are not on their way out, by name."""
    found = (read.first(Table.WORKLOAD, key) for key in read.get(_keys, namespace))
    return tuple(pod for pod in found if pod.addresses and not pod.leaving and selector <= pod.labels)


def _keys(read: Read, namespace: str) -> tuple[tuple[str, str], ...]:
    keys: tuple[tuple[str, str], ...] = read.keys(Table.WORKLOAD)
    start = bisect_left(keys, (namespace, ""))
    end = bisect_left(keys, (f"{namespace}\0", ""))
    return keys[start:end]
