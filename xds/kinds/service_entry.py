"""ServiceEntry: a service that Kubernetes does not know."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from xds.kinds.authored import Authored, Kind, Lenient, Strict
from xds.kinds.quantities import NonEmpty, OptionalPortNumber, PortNumber, about
from xds.kinds.workload_entry import WorkloadEntrySpec
from xds.kinds.workload_selector import WorkloadLabels


class ServicePort(Strict, frozen=True, kw_only=True):
    """A port of the service."""

    number: Annotated[PortNumber, about("Port that clients use.")]
    name: Annotated[NonEmpty, about("Name of the port.")]
    protocol: Annotated[
        str,
        about("HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, MONGO, TCP, TLS ...; sniffed if absent."),
    ] = ""
    target_port: Annotated[OptionalPortNumber, about("Port of the endpoints; `number` when absent or 0.")] = 0


class ServiceEntrySpec(Strict, frozen=True, kw_only=True):
    """One service per host."""

    hosts: Annotated[
        tuple[str, ...],
        about("Names of the service."),
        Meta(min_length=1, max_length=256),
    ]
    addresses: Annotated[tuple[str, ...], about("Virtual addresses or subnets that clients dial.")] = ()
    ports: Annotated[tuple[ServicePort, ...], about("Its ports.")] = ()
    location: Annotated[
        Literal["MESH_EXTERNAL", "MESH_INTERNAL"],
        about("Outside of the mesh, or a part of it."),
    ] = "MESH_EXTERNAL"
    resolution: Annotated[
        Literal["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"],
        about("How its endpoints are found: what the client dialled, the list, or DNS."),
    ] = "NONE"
    endpoints: Annotated[
        tuple[WorkloadEntrySpec, ...],
        about("Its endpoints; not with `workloadSelector`."),
    ] = ()
    workload_selector: Annotated[
        WorkloadLabels | None,
        about("Pods and WorkloadEntries of its namespace that are its endpoints."),
    ] = None
    export_to: Annotated[tuple[str, ...], about("Namespaces that see it; `.` its own, `*` all.")] = ()
    subject_alt_names: Annotated[tuple[str, ...], about("Names of which a server must prove one.")] = ()


class AllocatedAddress(Lenient, frozen=True, kw_only=True):
    """An address that was given to a host."""

    value: str = ""
    host: str = ""


class ServiceEntryStatus(Lenient, frozen=True, kw_only=True):
    """What a control plane has written on it."""

    addresses: Annotated[tuple[AllocatedAddress, ...], about("Addresses of hosts that have none of their own.")] = ()


class ServiceEntry(Authored, frozen=True, kw_only=True):
    """A service that Kubernetes does not know."""

    KIND: ClassVar[Kind] = Kind(
        "networking.istio.io",
        "ServiceEntry",
        ("v1", "v1beta1", "v1alpha3"),
        "serviceentries",
        ("se",),
    )

    spec: Annotated[ServiceEntrySpec, about("The service.")]
    status: Annotated[ServiceEntryStatus, about("What a control plane has written on it.")] = ServiceEntryStatus()
