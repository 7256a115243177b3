"""ServiceEntries: services that Kubernetes does not know, one a host."""

from __future__ import annotations

from collections.abc import Iterator

from xds.decoders.addresses import canonical
from xds.decoders.placed import nearness_of
from xds.decoders.protocol import named, select
from xds.decoders.row import Authored, Row
from xds.decoders.service import service_rows
from xds.decoders.workload_entry import check_address
from xds.decoders.workloads import locality
from xds.kinds.service_entry import ServiceEntry as Struct
from xds.kinds.service_entry import ServiceEntrySpec
from xds.kinds.service_entry import ServicePort as PortStruct
from xds.kinds.workload_entry import WorkloadEntrySpec
from xds.model.endpoint import UNIX, EndpointSlice, SliceAddress
from xds.model.labels import NO_LABELS, labels
from xds.model.refs import FieldRef
from xds.model.service import Protocol, Resolution, Service, ServicePort
from xds.model.snapshot import Input, Table
from xds.translators.feature import Reading

_BY_DNS = (Resolution.DNS, Resolution.DNS_ROUND_ROBIN)


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of a ServiceEntry: a service for each host, and its endpoints."""
    struct: Struct = authored.struct
    spec, reading, at = struct.spec, authored.reading, authored.spec
    resolution = Resolution(spec.resolution.lower().replace("_", "-"))
    _check(spec, resolution, at, reading)
    ports = _ports(spec, at / "ports", reading)
    for index, host in enumerate(spec.hosts):
        _check_host(host, resolution, at / "hosts" / index, reading)
        service = Service(
            ref=authored.ref,
            hostname=host.lower(),
            namespace=authored.ref.namespace,
            ports=ports,
            resolution=resolution,
            addresses=_addresses(struct, host),
            selector=labels(spec.workload_selector.labels) if spec.workload_selector is not None else NO_LABELS,
            external=spec.location == "MESH_EXTERNAL",
            export_to=spec.export_to,
            subject_alt_names=spec.subject_alt_names,
            created=authored.created,
            nearness=nearness_of(
                struct.metadata.annotations, None, authored.found, FieldRef(authored.ref, ("metadata",))
            ),
        )
        yield from service_rows(service)
        yield Row(Input(Table.HOME, service.namespace), service.ref)
        listed = _endpoints(spec, host, resolution)
        if listed:
            shared = tuple((port.name, port.target) for port in ports if isinstance(port.target, int))
            yield Row(Input(Table.SLICE, service.key), EndpointSlice(authored.ref, listed, shared))


def _addresses(struct: Struct, host: str) -> tuple[str, ...]:
    """Its own addresses, or without them those that a control plane has given to the host."""
    stated = struct.spec.addresses
    if not stated and struct.spec.resolution != "NONE":
        stated = tuple(each.value for each in struct.status.addresses if each.host.lower() in ("", host.lower()))
        stated = tuple(address for address in stated if canonical(address) and "/" not in address)
    return tuple(dict.fromkeys(canonical(address) or address for address in stated))


def _check(spec: ServiceEntrySpec, resolution: Resolution, at: FieldRef, reading: Reading) -> None:
    if spec.endpoints and spec.workload_selector is not None:
        reading.error(at / "workloadSelector", "service-entry.both", "excludes endpoints; leave one of them out")
    if resolution is Resolution.STATIC and not spec.endpoints and spec.workload_selector is None:
        reading.error(at / "endpoints", "service-entry.endpoints", "must be set with resolution STATIC")
    if resolution is Resolution.NONE and spec.endpoints:
        reading.error(
            at / "endpoints", "service-entry.unused", "have no effect with resolution NONE; use STATIC or DNS"
        )
    if resolution is Resolution.DNS_ROUND_ROBIN and len(spec.endpoints) > 1:
        reading.error(at / "endpoints", "service-entry.one", "may be one at most with resolution DNS_ROUND_ROBIN")
    if resolution is Resolution.DYNAMIC_DNS:
        _check_dynamic(spec, at, reading)
    for index, address in enumerate(spec.addresses):
        _check_address(address, resolution, at / "addresses" / index, reading)
    for index, endpoint in enumerate(spec.endpoints):
        _check_endpoint(endpoint, spec, resolution, (at / "endpoints" / index, reading))


def _check_dynamic(spec: ServiceEntrySpec, at: FieldRef, reading: Reading) -> None:
    if spec.endpoints or spec.workload_selector is not None:
        field = "endpoints" if spec.endpoints else "workloadSelector"
        message = "has no effect with resolution DYNAMIC_DNS: the host of each request is resolved"
        reading.error(at / field, "service-entry.unused", message)
    for index, port in enumerate(spec.ports):
        here = at / "ports" / index
        protocol = _protocol(port)
        if protocol is not None and not (protocol.is_http or protocol.is_tls):
            message = f"must be HTTP or TLS with resolution DYNAMIC_DNS, or nothing says the host; is {protocol.value}"
            reading.error(here / "protocol", "service-entry.dynamic-dns", message)
        elif protocol is not None and protocol.is_http and port.target_port not in (0, port.number):
            message = "has no effect with resolution DYNAMIC_DNS and HTTP: the port of the request's host is called"
            reading.warning(here / "targetPort", "service-entry.target-port", message)


def _protocol(port: PortStruct) -> Protocol | None:
    return named(port.protocol) if port.protocol else select(port.number, port.name, None)


def _check_host(host: str, resolution: Resolution, at: FieldRef, reading: Reading) -> None:
    if host == "*" or not host:
        reading.error(at, "host.any", f"must be a name, is {host!r}; write *. and a domain for many names")
    elif "*" in host and not (host.startswith("*.") and "*" not in host[2:]):
        reading.error(at, "host.wildcard", f"must be a host name, or *. and a domain, is {host!r}")
    elif any(character.isspace() or character in "/:|" for character in host):
        reading.error(at, "host.name", f"must be a host name without scheme or port, is {host!r}")
    elif "*" in host and resolution in _BY_DNS:
        reading.error(
            at, "host.unresolvable", f"a wildcard cannot be resolved; {host!r} needs resolution NONE or STATIC"
        )


def _check_address(address: str, resolution: Resolution, at: FieldRef, reading: Reading) -> None:
    if canonical(address) is None:
        reading.error(at, "address.invalid", f"must be an IP address or subnet, is {address!r}")
        return
    if "/" in address and resolution not in (Resolution.NONE, Resolution.STATIC):
        reading.error(at, "address.subnet", f"must be one address with this resolution, is {address!r}")


def _check_endpoint(
    endpoint: WorkloadEntrySpec, spec: ServiceEntrySpec, resolution: Resolution, at: tuple[FieldRef, Reading]
) -> None:
    field, reading = at
    check_address(endpoint, field, reading)
    names = {port.name for port in spec.ports}
    for name in sorted(endpoint.ports.keys() - names):
        reading.error((field / "ports").key(name), "endpoint.port", f"{name!r} is no port of this ServiceEntry")
    if endpoint.address.startswith(UNIX):
        if resolution is not Resolution.STATIC:
            message = "a socket in the file system needs resolution STATIC"
            reading.error(field / "address", "endpoint.unix", message)
    elif resolution is Resolution.STATIC and canonical(endpoint.address) is None and not _by_gateway(endpoint):
        message = f"must be an IP address with resolution STATIC, is {endpoint.address!r}"
        reading.error(field / "address", "endpoint.address", message)


def _by_gateway(endpoint: WorkloadEntrySpec) -> bool:
    return bool(endpoint.network) and not endpoint.address


def _ports(spec: ServiceEntrySpec, at: FieldRef, reading: Reading) -> tuple[ServicePort, ...]:
    found: dict[int, ServicePort] = {}
    names: set[str] = set()
    for index, port in enumerate(spec.ports):
        here = at / index
        if port.number in found:
            reading.error(here / "number", "port.twice", f"{port.number} is declared twice")
        elif port.name in names:
            reading.error(here / "name", "port.name-twice", f"{port.name!r} names two ports")
        else:
            protocol = _protocol(port)
            if protocol is None:
                reading.error(
                    here / "protocol", "port.protocol", f"{port.protocol!r} is no protocol; HTTP, GRPC, TCP ..."
                )
            found[port.number] = ServicePort(
                port.number, port.name, protocol or Protocol.TCP, port.target_port or port.number
            )
            names.add(port.name)
    return tuple(found.values())


def _endpoints(spec: ServiceEntrySpec, host: str, resolution: Resolution) -> tuple[SliceAddress, ...]:
    if not spec.endpoints:
        itself = resolution in _BY_DNS and spec.workload_selector is None
        return (SliceAddress(host),) if itself else ()
    return tuple(
        SliceAddress(
            address=canonical(endpoint.address) or endpoint.address or ("" if _by_gateway(endpoint) else host),
            labels=labels(endpoint.labels),
            weight=endpoint.weight or 1,
            locality=locality(endpoint.locality),
            service_account=endpoint.service_account,
            ports=tuple(sorted(endpoint.ports.items())),
            network=endpoint.network,
        )
        for endpoint in spec.endpoints
    )
