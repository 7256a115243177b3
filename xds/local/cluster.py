"""What a cluster makes of manifests, here: service addresses, Pods with a status, EndpointSlices. All of it pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from xds.kinds.authored import Authored, ObjectMeta, OwnerReference
from xds.kinds.endpoint_slice import Endpoint, EndpointConditions, EndpointPort, EndpointSlice, ObjectReference
from xds.kinds.pod import (
    Container,
    ContainerPort,
    Pod,
    PodCondition,
    PodIP,
)
from xds.kinds.pod import (
    PodSpec as PodSpecStruct,
)
from xds.kinds.pod import (
    PodStatus as Status,
)
from xds.kinds.service import LoadBalancerIngress, LoadBalancerStatus, Service, ServicePort, ServiceStatus
from xds.kinds.service_entry import ServiceEntry
from xds.local.addresses import assign_cluster_ips
from xds.local.ip_families import FAMILIES, Family, family_of, ip_families, placed, stated_addresses
from xds.local.pods import Phase, PodSpec, PodStatus
from xds.model.injection import STATUS
from xds.model.object import Object
from xds.model.refs import ObjectRef, Origin
from xds.model.security import TLS_MODE_ISTIO, TLS_MODE_LABEL

HEADLESS = "None"
ORIGIN = Origin("plait up")
SERVICE_NAME = "kubernetes.io/service-name"
# Istio's ranges for ServiceEntries that have no address of their own (istio-semantics 1.4).
_ENTRY_NETWORKS: Final[Mapping[Family, str]] = {"IPv4": "240.240.0.0/16", "IPv6": "2001:2::/112"}

Made = tuple[ObjectRef, Authored]


def addressed(objects: Iterable[Object[Authored]], *networks: str) -> dict[ObjectRef, Authored]:
    """Services and ServiceEntries as a cluster would store them: with an address where they need and lack one.

    ``networks`` are those of ClusterIPs, one a family, the cluster's first family first.
    """
    known = tuple(objects)
    available = tuple(family_of(network) for network in networks)
    services = {each.ref: each.struct for each in known if isinstance(each.struct, Service)}
    services = {ref: struct for ref, struct in services.items() if struct.spec.type != "ExternalName"}
    wanted = {ref: ip_families(struct.spec, available) for ref, struct in services.items()}
    taken = [address for struct in services.values() for address in stated_addresses(struct.spec)]
    given: dict[ObjectRef, list[str]] = {ref: [] for ref in services}
    for network, family in zip(networks, available, strict=True):
        lacking = [ref for ref, struct in services.items() if family in wanted[ref] and _lacks(struct, family)]
        allotted = assign_cluster_ips(((ref.namespace, ref.name) for ref in lacking), taken=taken, network=network)
        for ref in lacking:
            given[ref].append(allotted[ref.namespace, ref.name])
    found: dict[ObjectRef, Authored] = {
        ref: placed(struct, wanted[ref], given[ref])
        for ref, struct in services.items()
        if given[ref] or struct.spec.ip_families or len(networks) > 1
    }
    found |= {ref: _balanced(found.get(ref, struct)) for ref, struct in services.items() if _is_balanced(struct)}
    return found | _addressed_entries(known, available)


def _is_balanced(struct: Service) -> bool:
    return struct.spec.type == "LoadBalancer" and not struct.status.load_balancer.ingress


def _balanced(struct: Authored) -> Authored:
    """A Service as a load balancer serves it: here, its own addresses lead there from everywhere."""
    if not isinstance(struct, Service):
        return struct
    ingress = tuple(LoadBalancerIngress(ip=address) for address in stated_addresses(struct.spec))
    return msgspec.structs.replace(struct, status=ServiceStatus(load_balancer=LoadBalancerStatus(ingress=ingress)))


def _lacks(struct: Service, family: Family) -> bool:
    stated = stated_addresses(struct.spec)
    return struct.spec.cluster_ip != HEADLESS and family not in [family_of(each) for each in stated]


def _addressed_entries(known: Iterable[Object[Authored]], available: Sequence[Family]) -> dict[ObjectRef, Authored]:
    entries = {each.ref: each.struct for each in known if isinstance(each.struct, ServiceEntry)}
    bare = {ref: struct for ref, struct in entries.items() if _needs_entry_address(struct)}
    asked = [(ref.namespace, ref.name) for ref in bare]
    allotted = [assign_cluster_ips(asked, network=_ENTRY_NETWORKS[family]) for family in available]
    found: dict[ObjectRef, Authored] = {}
    for ref, entry in bare.items():
        addresses = tuple(each[ref.namespace, ref.name] for each in allotted)
        spec = msgspec.structs.replace(entry.spec, addresses=addresses)
        found[ref] = msgspec.structs.replace(entry, spec=spec)
    return found


def _needs_entry_address(struct: ServiceEntry) -> bool:
    spec = struct.spec
    several_or_wild = len(spec.hosts) != 1 or spec.hosts[0].startswith("*")
    # What Envoy is to resolve when it is called must be known to others than the mesh.
    return not spec.addresses and spec.resolution not in ("NONE", "DYNAMIC_DNS") and not several_or_wild


def running_pod(spec: PodSpec, status: PodStatus, *, takes_tls: bool) -> Made:
    """The Pod object of a pod that runs here; ``takes_tls`` is whether a sidecar of its own takes what comes in.

    Such a pod has the label by which istio's injector says so, and one with a sidecar the injector's annotation.
    """
    ports = tuple(
        ContainerPort(container_port=port.port, name=port.name)
        for port in spec.container_ports
        if port.protocol == "TCP"
    )
    ready = "True" if status.ready else "False"
    pod = Pod(
        metadata=ObjectMeta(
            name=spec.name,
            namespace=spec.namespace,
            labels={**spec.labels, **({TLS_MODE_LABEL: TLS_MODE_ISTIO} if takes_tls else {})},
            annotations={**spec.annotations, **({STATUS: "{}"} if spec.inject else {})},
            owner_references=_owner(spec),
        ),
        spec=PodSpecStruct(
            containers=(Container(name="containers", ports=ports),),
            service_account_name=spec.service_account,
            node_name=status.node_name,
            hostname=spec.hostname,
            subdomain=spec.subdomain,
        ),
        status=Status(
            phase=status.phase.value,
            pod_ip=status.ip,
            pod_ips=tuple(PodIP(ip=address) for address in status.ips),
            conditions=(PodCondition(type="Ready", status=ready),),
        ),
    )
    return ObjectRef("", "Pod", spec.namespace, spec.name), pod


def _owner(spec: PodSpec) -> tuple[OwnerReference, ...]:
    if not spec.workload or spec.workload_kind == "Pod":
        return ()
    return (OwnerReference(kind=spec.workload_kind, name=spec.workload, controller=True),)


def endpoint_slices(services: Mapping[ObjectRef, Service], pods: Iterable[PodStatus]) -> Iterator[Made]:
    """The EndpointSlices of every Service with a selector, as Kubernetes' controller makes them; one a family."""
    known = sorted((pod for pod in pods if pod.ips and pod.phase is Phase.RUNNING), key=lambda pod: pod.key)
    for ref, struct in services.items():
        if not struct.spec.selector or struct.spec.type == "ExternalName":
            continue
        wanted = struct.spec.selector.items()
        behind = [pod for pod in known if pod.namespace == ref.namespace and wanted <= dict(pod.labels).items()]
        for family in _families(struct, behind):
            yield from _slices(ref, struct, behind, family)


def _families(struct: Service, behind: Iterable[PodStatus]) -> tuple[Family, ...]:
    """The families of a Service that its pods have; its first where they have none."""
    stated = struct.spec.ip_families or FAMILIES
    known = {family_of(ip) for pod in behind for ip in pod.ips}
    return tuple(each for each in stated if each in known) or tuple(sorted(known)) or stated[:1]


def _slices(ref: ObjectRef, struct: Service, pods: list[PodStatus], family: Family) -> Iterator[Made]:
    # A port by name may be another number in each pod: pods of equal numbers share a slice.
    groups: dict[tuple[tuple[str, int], ...], list[PodStatus]] = {}
    for pod in pods:
        numbers = tuple((port.name, number) for port in struct.spec.ports if (number := _target(port, pod)))
        groups.setdefault(numbers, []).append(pod)
    for index, numbers in enumerate(sorted(groups) or [()]):
        endpoints = tuple(
            _endpoint(pod, address, ref.name)
            for pod in groups.get(numbers, ())
            for address in pod.ips
            if family_of(address) == family
        )
        name = f"{ref.name}-{family.lower()}-{index}"
        yield (
            ObjectRef("discovery.k8s.io", "EndpointSlice", ref.namespace, name),
            EndpointSlice(
                metadata=ObjectMeta(name=name, namespace=ref.namespace, labels={SERVICE_NAME: ref.name}),
                address_type=family,
                endpoints=endpoints,
                ports=tuple(EndpointPort(name=name, port=number) for name, number in numbers),
            ),
        )


def _target(port: ServicePort, pod: PodStatus) -> int:
    target = port.target_port if port.target_port not in (None, "", 0) else port.port
    if isinstance(target, str) and not target.isdigit():
        return next((each.port for each in pod.container_ports if each.name == target), 0)
    return int(target or port.port)


def _endpoint(pod: PodStatus, address: str, service: str) -> Endpoint:
    return Endpoint(
        addresses=(address,),
        conditions=EndpointConditions(
            ready=pod.ready and not pod.terminating, serving=pod.ready, terminating=pod.terminating
        ),
        hostname=pod.hostname if pod.hostname and pod.subdomain == service else None,
        node_name=pod.node_name,
        target_ref=ObjectReference(kind="Pod", name=pod.name, namespace=pod.namespace),
    )
