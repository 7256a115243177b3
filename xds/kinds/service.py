"""Service: a name and addresses for a set of pods."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import field

from xds.kinds.authored import Kind, Lenient, Stored
from xds.kinds.quantities import Labels, OptionalPortNumber, PortNumber, about


class ServicePort(Lenient, frozen=True, kw_only=True):
    """A port of the service."""

    port: Annotated[PortNumber, about("Port that clients use.")]
    name: Annotated[
        str,
        about("Name; needed where there are several. Its start may tell the protocol."),
    ] = ""
    protocol: Annotated[Literal["TCP", "UDP", "SCTP"], about("Transport.")] = "TCP"
    app_protocol: Annotated[str | None, about("Protocol of the application, before what the name tells.")] = None
    target_port: Annotated[int | str | None, about("Port of the pods, number or name; `port` when absent.")] = None
    node_port: Annotated[OptionalPortNumber, about("Port on every node; 0 is none.")] = 0


class ServiceSpec(Lenient, frozen=True, kw_only=True):
    """What the service offers and who serves it."""

    type: Annotated[
        Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"],
        about("How it is reached."),
    ] = "ClusterIP"
    selector: Annotated[Labels, about("Labels of its pods; without, its endpoints are made by others.")] = field(
        default_factory=dict
    )
    ports: Annotated[tuple[ServicePort, ...], about("Its ports.")] = ()
    cluster_ip: Annotated[str, about("Its address; `None` makes it headless.")] = field(name="clusterIP", default="")
    cluster_ips: Annotated[tuple[str, ...], about("Its addresses, one of a family.")] = field(
        name="clusterIPs", default=()
    )
    ip_families: Annotated[
        tuple[Literal["IPv4", "IPv6"], ...],
        about("Families of its addresses, in order."),
    ] = ()
    ip_family_policy: Annotated[
        Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None,
        about("One family or both."),
    ] = None
    external_name: Annotated[str, about("DNS name that it stands for, with type ExternalName.")] = ""
    external_ips: Annotated[tuple[str, ...], about("More addresses that lead to it.")] = field(
        name="externalIPs", default=()
    )
    session_affinity: Annotated[Literal["None", "ClientIP"], about("Whether a client keeps its endpoint.")] = "None"
    session_affinity_config: Annotated[Any, about("How long it does.")] = None
    internal_traffic_policy: Annotated[
        Literal["Cluster", "Local"] | None,
        about("Endpoints anywhere, or on the client's node only."),
    ] = None
    external_traffic_policy: Annotated[
        Literal["Cluster", "Local"] | None, about("The same for traffic from outside.")
    ] = None
    traffic_distribution: Annotated[
        Literal["PreferClose", "PreferSameZone", "PreferSameNode"] | None,
        about("Preference for near endpoints."),
    ] = None
    publish_not_ready_addresses: Annotated[bool, about("Whether endpoints count before they are ready.")] = False


class LoadBalancerIngress(Lenient, frozen=True, kw_only=True):
    """An address at which the service is reached from outside."""

    ip: str = ""
    hostname: str = ""


class LoadBalancerStatus(Lenient, frozen=True, kw_only=True):
    """Where the service is reached from outside."""

    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Lenient, frozen=True, kw_only=True):
    """What the cluster made of the service."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(Stored, frozen=True, kw_only=True):
    """A name and addresses for a set of pods."""

    KIND: ClassVar[Kind] = Kind("", "Service", ("v1",), "services", ("svc",))

    spec: Annotated[ServiceSpec, about("What it offers.")] = ServiceSpec()
    status: Annotated[ServiceStatus, about("Where it is reached from outside.")] = ServiceStatus()
