"""Sidecar: what the proxies of a namespace, or some of them, take in and let out."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from xds.kinds.authored import Authored, Kind, Strict
from xds.kinds.gateway import ServerTLSSettings
from xds.kinds.mesh_config import OutboundTrafficPolicy
from xds.kinds.quantities import NonEmpty, OptionalPortNumber, about
from xds.kinds.traffic_policy import ConnectionPoolSettings
from xds.kinds.workload_selector import WorkloadLabels

CaptureMode = Literal["DEFAULT", "IPTABLES", "NONE"]


class SidecarPort(Strict, frozen=True, kw_only=True):
    """A port that the proxy listens on."""

    number: Annotated[OptionalPortNumber, about("Its number; 0 only for a UNIX socket.")] = 0
    protocol: Annotated[NonEmpty, about("What is spoken on it: HTTP, HTTP2, GRPC, TLS, TCP ...; HTTP_PROXY outbound.")]
    name: Annotated[str, about("Name of the port.")] = ""
    target_port: Annotated[int, about("Deprecated, without effect.")] = 0


class IstioIngressListener(Strict, frozen=True, kw_only=True):
    """A port of the workload, and where what comes in on it goes."""

    port: Annotated[SidecarPort, about("The port.")]
    bind: Annotated[str, about("Address to listen on, with captureMode NONE; all addresses when absent.")] = ""
    capture_mode: Annotated[CaptureMode, about("NONE: the proxy itself listens on the port.")] = "DEFAULT"
    default_endpoint: Annotated[
        str,
        about("Where the application is: `127.0.0.1:PORT`, `0.0.0.0:PORT` (the pod's address) or `unix:///path`."),
    ] = ""
    tls: Annotated[ServerTLSSettings | None, about("TLS of the workload's own that the proxy ends.")] = None
    connection_pool: Annotated[ConnectionPoolSettings | None, about("Limits towards the application.")] = None


class IstioEgressListener(Strict, frozen=True, kw_only=True):
    """Hosts that are reached, on all ports or on one."""

    port: Annotated[SidecarPort | None, about("The only port for them; all that no other entry has if absent.")] = None
    bind: Annotated[str, about("Address, or `unix:///path`, of a listener of their own.")] = ""
    capture_mode: Annotated[CaptureMode, about("NONE: applications connect to its address.")] = "DEFAULT"
    hosts: Annotated[
        tuple[str, ...],
        about("`namespace/host`: `*` is any, `.` the own namespace, `~/*` nothing; `~namespace/host` takes out."),
        Meta(min_length=1),
    ]


class SidecarSpec(Strict, frozen=True, kw_only=True):
    """What is taken in and let out."""

    workload_selector: Annotated[WorkloadLabels | None, about("Whose proxies; all of the namespace if absent.")] = None
    ingress: Annotated[tuple[IstioIngressListener, ...], about("Inbound ports, instead of those of Services.")] = ()
    egress: Annotated[tuple[IstioEgressListener, ...], about("Hosts that are reached; all if absent.")] = ()
    inbound_connection_pool: Annotated[
        ConnectionPoolSettings | None, about("Limits towards the application, of ports that state none.")
    ] = None
    outbound_traffic_policy: Annotated[
        OutboundTrafficPolicy | None, about("Unknown destinations: as the mesh says if absent; refused without a mode.")
    ] = None


class Sidecar(Authored, frozen=True, kw_only=True):
    """What the proxies of a namespace, or some of them, take in and let out."""

    KIND: ClassVar[Kind] = Kind("networking.istio.io", "Sidecar", ("v1", "v1beta1", "v1alpha3"), "sidecars")

    spec: Annotated[SidecarSpec, about("What is taken in and let out.")] = SidecarSpec()
