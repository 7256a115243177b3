"""WorkloadGroup: what a machine becomes that joins the mesh by itself."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import field

from xds.kinds.authored import Authored, Kind, Strict
from xds.kinds.quantities import Labels, NaturalInt32, NonEmpty, PortNumber, about
from xds.kinds.workload_entry import WorkloadEntrySpec


class EntryMetadata(Strict, frozen=True, kw_only=True):
    """What is written on the entries of the group."""

    labels: Annotated[Labels, about("Labels of its WorkloadEntries.")] = field(default_factory=dict)
    annotations: Annotated[Labels, about("Annotations of its WorkloadEntries.")] = field(default_factory=dict)


class HTTPHeader(Strict, frozen=True, kw_only=True):
    """A header of a probe."""

    name: Annotated[NonEmpty, about("Name.")]
    value: Annotated[str, about("Value.")] = ""


class HTTPHealthCheckConfig(Strict, frozen=True, kw_only=True):
    """A probe by HTTP GET: 200 to 399 is success."""

    port: Annotated[PortNumber, about("Port.")]
    path: Annotated[str, about("Path; / when absent.")] = ""
    host: Annotated[str, about("Host header; the workload's address when absent.")] = ""
    scheme: Annotated[Literal["", "HTTP", "HTTPS"], about("Scheme; HTTP when absent.")] = ""
    http_headers: Annotated[tuple[HTTPHeader, ...], about("Headers to send.")] = ()


class TCPHealthCheckConfig(Strict, frozen=True, kw_only=True):
    """A probe by connecting."""

    port: Annotated[PortNumber, about("Port.")]
    host: Annotated[str, about("Host; the workload itself when absent.")] = ""


class ExecHealthCheckConfig(Strict, frozen=True, kw_only=True):
    """A probe by a command: exit status 0 is success."""

    command: Annotated[tuple[NonEmpty, ...], about("Command and arguments.")] = ()


class GrpcHealthCheckConfig(Strict, frozen=True, kw_only=True):
    """A probe by gRPC's health service."""

    port: Annotated[PortNumber, about("Port.")]
    service: Annotated[str, about("Service to ask for; the server as a whole when absent.")] = ""


class ReadinessProbe(Strict, frozen=True, kw_only=True):
    """How a workload of the group is asked whether it is ready; one of the four ways."""

    initial_delay_seconds: Annotated[NaturalInt32, about("Seconds before the first.")] = 0
    timeout_seconds: Annotated[NaturalInt32, about("Seconds until it has failed; 1 when absent or 0.")] = 0
    period_seconds: Annotated[NaturalInt32, about("Seconds between two; 10 when absent or 0.")] = 0
    success_threshold: Annotated[NaturalInt32, about("Successes in a row that make it ready; 1 when absent or 0.")] = 0
    failure_threshold: Annotated[
        NaturalInt32, about("Failures in a row that make it not ready; 3 when absent or 0.")
    ] = 0
    http_get: Annotated[HTTPHealthCheckConfig | None, about("By HTTP GET.")] = None
    tcp_socket: Annotated[TCPHealthCheckConfig | None, about("By connecting.")] = None
    exec: Annotated[ExecHealthCheckConfig | None, about("By a command.")] = None
    grpc: Annotated[GrpcHealthCheckConfig | None, about("By gRPC's health service.")] = None


class EntryTemplate(WorkloadEntrySpec, frozen=True, kw_only=True):
    """A WorkloadEntry of the group; each has an address of its own, which an API server must not ask for here."""


class WorkloadGroupSpec(Strict, frozen=True, kw_only=True):
    """What its workloads have in common."""

    metadata: Annotated[EntryMetadata, about("What is written on its WorkloadEntries.")] = EntryMetadata()
    template: Annotated[EntryTemplate, about("Its WorkloadEntries, without their address.")] = EntryTemplate()
    probe: Annotated[ReadinessProbe | None, about("How it is found out whether one is ready.")] = None


class WorkloadGroup(Authored, frozen=True, kw_only=True):
    """What a machine becomes that joins the mesh by itself."""

    KIND: ClassVar[Kind] = Kind(
        "networking.istio.io",
        "WorkloadGroup",
        ("v1", "v1beta1", "v1alpha3"),
        "workloadgroups",
        ("wg",),
    )

    spec: Annotated[WorkloadGroupSpec, about("What its workloads have in common.")] = WorkloadGroupSpec()
