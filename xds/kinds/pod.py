"""Pod: containers that run together; the fields that the mesh and the local runner read."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import field

from xds.kinds.authored import Kind, Lenient, ObjectMeta, Stored
from xds.kinds.quantities import NonEmpty, OptionalPortNumber, PortNumber, about


class EnvVar(Lenient, frozen=True, kw_only=True):
    """A variable of a container's environment."""

    name: Annotated[NonEmpty, about("Name.")]
    value: Annotated[str, about("Value; $(OTHER) stands for another variable.")] = ""
    value_from: Annotated[Any, about("Where the value comes from instead.")] = None


class ContainerPort(Lenient, frozen=True, kw_only=True):
    """A port that a container listens on."""

    container_port: Annotated[PortNumber, about("Port number.")]
    name: Annotated[str, about("Name, for `targetPort` of services.")] = ""
    protocol: Annotated[Literal["TCP", "UDP", "SCTP"], about("Transport.")] = "TCP"
    host_port: Annotated[OptionalPortNumber, about("Port on the node.")] = 0
    host_ip: Annotated[str, about("Address on the node.")] = field(name="hostIP", default="")


class HTTPGetAction(Lenient, frozen=True, kw_only=True):
    """A probe by HTTP GET: 200 to 399 is success."""

    port: Annotated[int | str, about("Port, number or name.")]
    path: Annotated[str, about("Path.")] = "/"
    host: Annotated[str, about("Host; the pod's address when absent.")] = ""
    scheme: Annotated[Literal["HTTP", "HTTPS"], about("Scheme.")] = "HTTP"
    http_headers: Annotated[tuple[Any, ...], about("Headers to send.")] = ()


class TCPSocketAction(Lenient, frozen=True, kw_only=True):
    """A probe by connecting."""

    port: Annotated[int | str, about("Port, number or name.")]
    host: Annotated[str, about("Host; the pod's address when absent.")] = ""


class ExecAction(Lenient, frozen=True, kw_only=True):
    """A probe by a command: exit status 0 is success."""

    command: Annotated[tuple[str, ...], about("Command and arguments.")] = ()


class GRPCAction(Lenient, frozen=True, kw_only=True):
    """A probe by gRPC's health service."""

    port: Annotated[PortNumber, about("Port number.")]
    service: Annotated[str | None, about("Service to ask for.")] = None


class Probe(Lenient, frozen=True, kw_only=True):
    """A question to a container, and how often."""

    http_get: Annotated[HTTPGetAction | None, about("By HTTP.")] = None
    tcp_socket: Annotated[TCPSocketAction | None, about("By TCP.")] = None
    exec: Annotated[ExecAction | None, about("By a command.")] = None
    grpc: Annotated[GRPCAction | None, about("By gRPC.")] = None
    initial_delay_seconds: Annotated[int, about("Seconds before the first.")] = 0
    timeout_seconds: Annotated[int, about("Seconds for an answer.")] = 1
    period_seconds: Annotated[int, about("Seconds between two.")] = 10
    success_threshold: Annotated[int, about("Successes in a row that count as one.")] = 1
    failure_threshold: Annotated[int, about("Failures in a row that count as one.")] = 3


class Container(Lenient, frozen=True, kw_only=True):
    """A program of the pod."""

    name: Annotated[NonEmpty, about("Name, unique in the pod.")]
    image: Annotated[str, about("Image; the local runner runs `command` on this machine instead.")] = ""
    command: Annotated[tuple[str, ...], about("Program and arguments, instead of the image's.")] = ()
    args: Annotated[tuple[str, ...], about("More arguments.")] = ()
    working_dir: Annotated[str, about("Directory to run in.")] = ""
    env: Annotated[tuple[EnvVar, ...], about("Environment.")] = ()
    ports: Annotated[tuple[ContainerPort, ...], about("Ports that it listens on.")] = ()
    readiness_probe: Annotated[Probe | None, about("Whether it takes traffic.")] = None
    liveness_probe: Annotated[Probe | None, about("Whether it must be restarted.")] = None
    startup_probe: Annotated[Probe | None, about("Whether it has started.")] = None
    restart_policy: Annotated[str | None, about("`Always` makes an init container a sidecar.")] = None
    security_context: Annotated[Any, about("User and capabilities.")] = None


class PodSpec(Lenient, frozen=True, kw_only=True):
    """What runs, and as whom."""

    containers: Annotated[tuple[Container, ...], about("The programs.")] = ()
    init_containers: Annotated[tuple[Container, ...], about("Programs that run before, one after the other.")] = ()
    restart_policy: Annotated[Literal["Always", "OnFailure", "Never"], about("When a container starts again.")] = (
        "Always"
    )
    service_account_name: Annotated[str, about("Service account; `default` when absent.")] = ""
    service_account: Annotated[str, about("Deprecated: use `serviceAccountName`.")] = ""
    node_name: Annotated[str, about("Node that it runs on.")] = ""
    hostname: Annotated[str, about("Its own name below `subdomain`.")] = ""
    subdomain: Annotated[str, about("Headless service that it has a name in.")] = ""
    host_network: Annotated[bool, about("Whether it uses the node's network; then it gets no sidecar.")] = False
    termination_grace_period_seconds: Annotated[int | None, about("Seconds to end; 30 when absent.")] = None
    security_context: Annotated[Any, about("User of the containers.")] = None


class PodIP(Lenient, frozen=True, kw_only=True):
    """An address of the pod."""

    ip: str = ""


class PodCondition(Lenient, frozen=True, kw_only=True):
    """An observation about the pod."""

    type: str
    status: str


class PodStatus(Lenient, frozen=True, kw_only=True):
    """How the pod is."""

    phase: Annotated[str, about("Pending, Running, Succeeded, Failed or Unknown.")] = ""
    pod_ip: Annotated[str, about("Its address.")] = field(name="podIP", default="")
    pod_ips: Annotated[tuple[PodIP, ...], about("Its addresses, one of a family.")] = field(name="podIPs", default=())
    host_ip: Annotated[str, about("Its node's address.")] = field(name="hostIP", default="")
    conditions: Annotated[tuple[PodCondition, ...], about("Observations; `Ready` is one.")] = ()


class PodTemplateSpec(Lenient, frozen=True, kw_only=True):
    """The pods that a controller makes."""

    metadata: Annotated[ObjectMeta, about("Their labels and annotations.")] = ObjectMeta()
    spec: Annotated[PodSpec, about("What runs in them.")] = PodSpec()


class Pod(Stored, frozen=True, kw_only=True):
    """Containers that run together."""

    KIND: ClassVar[Kind] = Kind("", "Pod", ("v1",), "pods", ("po",))

    spec: Annotated[PodSpec, about("What runs.")] = PodSpec()
    status: Annotated[PodStatus, about("How it is.")] = PodStatus()
