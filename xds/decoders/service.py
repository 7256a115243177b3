"""Kubernetes Services."""

from __future__ import annotations

from collections.abc import Iterator

from xds.decoders.addresses import checked
from xds.decoders.network_gateways import gateway_rows
from xds.decoders.placed import nearness_of, nearness_rows
from xds.decoders.protocol import select
from xds.decoders.row import Authored, Row
from xds.kinds.service import Service as Struct
from xds.kinds.service import ServicePort as PortStruct
from xds.kinds.service import ServiceSpec
from xds.model.labels import labels
from xds.model.problem import Severity
from xds.model.refs import FieldRef
from xds.model.service import Leading, Protocol, Resolution, Service, ServiceKey, ServicePort
from xds.model.snapshot import Input, Table
from xds.translators.decode_policies import decode_policies
from xds.translators.feature import SERVICE

EXPORT_TO = "networking.istio.io/exportTo"
NO_ADDRESS = "None"


def hostname(name: str, namespace: str, domain: str) -> str:
    """The full name of a Kubernetes Service."""
    return f"{name}.{namespace}.svc.{domain}"


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of a Service."""
    struct: Struct = authored.struct
    ref, spec = authored.ref, struct.spec
    alias = spec.type == "ExternalName"
    if alias and not spec.external_name:
        authored.found.add(
            authored.spec / "externalName", "service.external-name", "must be set with type ExternalName"
        )
    addresses = _addresses(authored, spec)
    metadata = FieldRef(ref, ("metadata",))
    policies = decode_policies(SERVICE, struct.metadata, metadata, authored.reading)
    service = Service(
        ref=ref,
        hostname=hostname(ref.name, ref.namespace, authored.domain),
        namespace=ref.namespace,
        ports=_ports(authored, spec),
        resolution=_resolution(spec),
        addresses=addresses,
        selector=labels(spec.selector),
        export_to=_export_to(struct),
        alias_of=spec.external_name if alias else "",
        publish_not_ready=spec.publish_not_ready_addresses,
        created=authored.created,
        udp=tuple(sorted({port.port for port in spec.ports if port.protocol == "UDP"})),
        nearness=nearness_of(struct.metadata.annotations, spec, authored.found, metadata),
        policies=policies,
        keeps_sessions=bool(policies),
    )
    yield from service_rows(service)
    yield from gateway_rows(authored, service.hostname)


def service_rows(service: Service) -> Iterator[Row]:
    """The rows of any service, whatever kind said it."""
    yield Row(Input(Table.SERVICE, service.key), service)
    yield Row(Input(Table.HOST, service.hostname), service)
    for address in service.addresses:
        yield Row(Input(Table.VIRTUAL_ADDRESS, address), service)
    if service.selector:
        yield Row(Input(Table.SELECTING, service.namespace), service)
        targets = tuple(port.target for port in service.ports)
        yield Row(Input(Table.LEADING, service.namespace), Leading(service.ref, service.selector, targets))
    yield from nearness_rows(service.nearness, service.ref)
    for namespace in service.export_to:
        home = service.namespace if namespace == "." else namespace
        if home not in ("*", "~"):
            yield Row(Input(Table.HOME, home), service.ref)


def _resolution(spec: ServiceSpec) -> Resolution:
    if spec.type == "ExternalName":
        return Resolution.ALIAS
    return Resolution.HEADLESS if spec.cluster_ip == NO_ADDRESS else Resolution.STATIC


def _addresses(authored: Authored, spec: ServiceSpec) -> tuple[str, ...]:
    if spec.type == "ExternalName":
        return ()
    at = authored.spec
    stated = [(spec.cluster_ip, at / "clusterIP")]
    stated += [(address, at / "clusterIPs" / index) for index, address in enumerate(spec.cluster_ips)]
    stated += [(address, at / "externalIPs" / index) for index, address in enumerate(spec.external_ips)]
    known = (checked(text, place, authored.found) for text, place in stated if text and text != NO_ADDRESS)
    return tuple(dict.fromkeys(known))


def _ports(authored: Authored, spec: ServiceSpec) -> tuple[ServicePort, ...]:
    found: dict[int, ServicePort] = {}
    names: set[str] = set()
    for index, port in enumerate(spec.ports):
        at = authored.spec / "ports" / index
        if port.protocol != "TCP":
            continue
        if port.port in found:
            authored.found.add(at / "port", "service.port-twice", f"{port.port} is declared twice; give each port once")
        elif len(spec.ports) > 1 and not port.name:
            authored.found.add(at / "name", "service.port-name", "must be set, as there are several ports")
        elif port.name and port.name in names:
            authored.found.add(at / "name", "service.port-name-twice", f"{port.name!r} names two ports")
        else:
            found[port.port] = _port(port)
            names.add(port.name)
            _hint_protocol(authored, port, index)
    return tuple(found.values())


def _port(port: PortStruct) -> ServicePort:
    target = port.target_port if port.target_port not in (None, 0, "") else port.port
    assert target is not None
    if isinstance(target, str) and target.isdigit():
        target = int(target)
    return ServicePort(port.port, port.name, select(port.port, port.name, port.app_protocol), target)


def _hint_protocol(authored: Authored, port: PortStruct, index: int) -> None:
    if select(port.port, port.name, port.app_protocol) is Protocol.AUTO:
        authored.found.add(
            authored.spec / "ports" / index / "name",
            "service.port-sniffed",
            f"{port.name!r} tells no protocol, so it is detected; name it http-, grpc- or tcp-..., or set appProtocol",
            Severity.INFO,
        )


def _export_to(struct: Struct) -> tuple[str, ...]:
    text = struct.metadata.annotations.get(EXPORT_TO, "")
    return tuple(part for raw in text.split(",") if (part := raw.strip()))


def key_of(name: str, namespace: str, domain: str) -> ServiceKey:
    """The key of a Kubernetes Service by its name."""
    return ServiceKey(hostname(name, namespace, domain), namespace)
