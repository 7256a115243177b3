"""ServiceEntries: services that Kubernetes does not know, one a host."""

from __future__ import annotations

from collections.abc import Iterator

from xds.decoders.addresses import canonical
from xds.decoders.protocol import named, select
from xds.decoders.row import Authored, Row
from xds.decoders.service import service_rows
from xds.decoders.workloads import locality
from xds.kinds.service_entry import ServiceEntry as Struct
from xds.kinds.service_entry import ServiceEntrySpec
from xds.kinds.workload_entry import WorkloadEntrySpec
from xds.model.endpoint import EndpointSlice, SliceAddress
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
            addresses=tuple(dict.fromkeys(canonical(address) or address for address in spec.addresses)),
            selector=labels(spec.workload_selector.labels) if spec.workload_selector is not None else NO_LABELS,
            external=spec.location == "MESH_EXTERNAL",
            export_to=spec.export_to,
            subject_alt_names=spec.subject_alt_names,
            created=authored.created,
        )
        yield from service_rows(service)
        yield Row(Input(Table.HOME, service.namespace), service.ref)
        addresses = _addresses(spec, host, resolution)
        if addresses:
            shared = tuple((port.name, port.target) for port in ports if isinstance(port.target, int))
            yield Row(Input(Table.SLICE, service.key), EndpointSlice(authored.ref, addresses, shared))


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
        reading.warning(
            at / "resolution", "service-entry.dynamic-dns", "is checked but not carried out by this version"
        )
    if spec.workload_selector is not None:
        reading.warning(
            at / "workloadSelector", "service-entry.selector", "is checked but not carried out by this version"
        )
    for index, address in enumerate(spec.addresses):
        _check_address(address, resolution, at / "addresses" / index, reading)
    for index, endpoint in enumerate(spec.endpoints):
        _check_endpoint(endpoint, spec, resolution, (at / "endpoints" / index, reading))


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
    if endpoint.network:
        message = "is not carried out by this version: all endpoints are called directly"
        reading.warning(field / "network", "endpoint.network", message)
    names = {port.name for port in spec.ports}
    for name in sorted(endpoint.ports.keys() - names):
        reading.error((field / "ports").key(name), "endpoint.port", f"{name!r} is no port of this ServiceEntry")
    if resolution is Resolution.STATIC and not endpoint.address.startswith("unix://"):
        if "/" in endpoint.address or canonical(endpoint.address) is None:
            message = f"must be an IP address with resolution STATIC, is {endpoint.address!r}"
            reading.error(field / "address", "endpoint.address", message)
    elif endpoint.address.startswith("unix://"):
        reading.warning(field / "address", "endpoint.unix", "unix sockets are not carried out by this version")


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
            protocol = named(port.protocol) if port.protocol else select(port.number, port.name, None)
            if protocol is None:
                reading.error(
                    here / "protocol", "port.protocol", f"{port.protocol!r} is no protocol; HTTP, GRPC, TCP ..."
                )
            found[port.number] = ServicePort(
                port.number, port.name, protocol or Protocol.TCP, port.target_port or port.number
            )
            names.add(port.name)
    return tuple(found.values())


def _addresses(spec: ServiceEntrySpec, host: str, resolution: Resolution) -> tuple[SliceAddress, ...]:
    if not spec.endpoints:
        return (SliceAddress(host),) if resolution in _BY_DNS else ()
    return tuple(
        SliceAddress(
            address=canonical(endpoint.address) or endpoint.address or host,
            labels=labels(endpoint.labels),
            weight=endpoint.weight or 1,
            locality=locality(endpoint.locality),
            service_account=endpoint.service_account,
            ports=tuple(sorted(endpoint.ports.items())),
        )
        for endpoint in spec.endpoints
    )
