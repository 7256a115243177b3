"""Pods, the nodes they run on, and namespaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xds.decoders.addresses import canonical
from xds.decoders.pod_doubts import doubts
from xds.decoders.pod_owner import owner_of
from xds.decoders.row import Authored, Row
from xds.kinds.namespace import Namespace as NamespaceStruct
from xds.kinds.node import Node as NodeStruct
from xds.kinds.pod import Pod as PodStruct
from xds.model.endpoint import Locality
from xds.model.families import families
from xds.model.injection import INJECT, PROXY, REVISION, STATUS
from xds.model.labels import labels
from xds.model.refs import ObjectRef
from xds.model.security import TLS_MODE_ISTIO, TLS_MODE_LABEL
from xds.model.snapshot import Input, Table
from xds.model.workload import Injection, Namespace, Node, Workload

REGION = "topology.kubernetes.io/region"
ZONE = "topology.kubernetes.io/zone"
SUBZONE = "topology.istio.io/subzone"
OWN_LOCALITY = ("istio-locality", "topology.istio.io/locality")
_CAPTURE = "traffic.sidecar.istio.io/"
_OVER = ("Succeeded", "Failed")
_ALIVE = ("Pending", "Running")


def decode_pod(authored: Authored) -> Iterator[Row]:
    """The rows of a Pod: by name, and by each of its addresses while it is not over."""
    struct: PodStruct = authored.struct
    stated = filter(None, (struct.status.pod_ip, *(ip.ip for ip in struct.status.pod_ips)))
    addresses = tuple(dict.fromkeys(canonical(address) or address for address in stated))
    stated_ports = [
        port
        for container in (*struct.spec.init_containers, *struct.spec.containers)
        for port in container.ports
        if port.protocol == "TCP"
    ]
    owner, owner_kind = owner_of(struct)
    pod = Workload(
        ref=authored.ref,
        labels=labels(struct.metadata.labels),
        addresses=addresses,
        service_account=struct.spec.service_account_name or struct.spec.service_account or "default",
        node=struct.spec.node_name,
        locality=_own_locality(struct),
        ports=tuple((port.name, port.container_port) for port in stated_ports if port.name),
        listens=tuple(sorted({port.container_port for port in stated_ports})),
        hostname=struct.spec.hostname,
        owner=owner,
        owner_kind=owner_kind,
        injection=_injection(struct, authored.ref),
        captured=_captured(struct.metadata.annotations),
        not_captured=_ports(struct.metadata.annotations.get(f"{_CAPTURE}excludeInboundPorts", "")),
        ready=any(each.type == "Ready" and each.status == "True" for each in struct.status.conditions),
        leaving=struct.metadata.deletion_timestamp is not None or struct.status.phase in _OVER,
    )
    yield Row(Input(Table.WORKLOAD, (authored.ref.namespace, authored.ref.name)), pod)
    if struct.status.phase in _OVER or struct.spec.host_network:
        return
    for address in addresses:
        yield Row(Input(Table.ADDRESS, address), pod)


def _injection(struct: PodStruct, ref: ObjectRef) -> Injection:
    meta, spec = struct.metadata, struct.spec
    names = {each.name for each in (*spec.init_containers, *spec.containers)}
    return Injection(
        possible=struct.status.phase in _ALIVE and not spec.host_network and meta.deletion_timestamp is None,
        wish=meta.annotations.get(INJECT, ""),
        done=STATUS in meta.annotations or PROXY in names or meta.labels.get(TLS_MODE_LABEL) == TLS_MODE_ISTIO,
        revision=meta.annotations.get(REVISION, "") if STATUS in meta.annotations else "",
        doubts=tuple(doubts(struct, ref)),
    )


def _captured(annotations: Mapping[str, str]) -> tuple[int, ...] | None:
    if annotations.get("sidecar.istio.io/interceptionMode") == "NONE":
        return ()
    stated = annotations.get(f"{_CAPTURE}includeInboundPorts", "*")
    return None if stated.strip() == "*" else _ports(stated)


def _ports(text: str) -> tuple[int, ...]:
    return tuple(int(word) for part in text.split(",") if (word := part.strip()).isdecimal())


def _own_locality(struct: PodStruct) -> Locality:
    for label in OWN_LOCALITY:
        text = struct.metadata.labels.get(label)
        if text:
            return locality(text.replace(".", "/"))
    return Locality()


def locality(text: str) -> Locality:
    """``region/zone/subzone``, of which the later parts may be missing."""
    region, zone, subzone = (*text.split("/", 2), "", "")[:3]
    return Locality(region, zone, subzone)


def decode_node(authored: Authored) -> Iterator[Row]:
    """The row of a Node: where it stands, and what it runs."""
    struct: NodeStruct = authored.struct
    own = struct.metadata.labels
    place = Locality(own.get(REGION, ""), own.get(ZONE, ""), own.get(SUBZONE, ""))
    own_families = families(each.address for each in struct.status.addresses)
    node = Node(authored.ref, place, struct.status.node_info.kubelet_version, own_families)
    yield Row(Input(Table.NODE, authored.ref.name), node)


def decode_namespace(authored: Authored) -> Iterator[Row]:
    """The row of a Namespace: its labels."""
    struct: NamespaceStruct = authored.struct
    yield Row(Input(Table.NAMESPACE, authored.ref.name), Namespace(authored.ref, labels(struct.metadata.labels)))
