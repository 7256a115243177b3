"""What the local mesh runs and what it tells about it: frozen pod specifications and pod states.

Only what a process on this machine can honour is here (no images, volumes or resources); the conversion from manifests
is made by who calls. Field names are those of the Kubernetes Pod API in snake_case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from xds.model.injection import PROXY


@dataclass(frozen=True, slots=True, order=True)
class PodKey:
    """The name of a pod: namespace and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class EnvVar:
    """One environment variable: a value, or the field of the pod that it is taken from (``metadata.labels['app']``)."""

    name: str
    value: str = ""
    field_path: str = ""


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """A port that a container says it listens on; ``protocol`` is TCP, UDP or SCTP."""

    port: int
    name: str = ""
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class HttpGet:
    """Ready when ``GET path`` on the port answers 200 to 399."""

    port: int
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """Ready when the port accepts a connection."""

    port: int


@dataclass(frozen=True, slots=True)
class ExecAction:
    """Ready when the command, run in the pod, exits with 0."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """When a container counts as ready. The thresholds count consecutive results."""

    action: HttpGet | TcpSocket | ExecAction
    initial_delay: timedelta = timedelta(0)
    period: timedelta = timedelta(seconds=1)
    timeout: timedelta = timedelta(seconds=1)
    success_threshold: int = 1
    failure_threshold: int = 3


@dataclass(frozen=True, slots=True)
class Container:
    """One process of a pod. Without ``command`` the image must be one of ours (``plait/echo``)."""

    name: str
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    readiness: Probe | None = None
    working_dir: str = ""


class Restart(StrEnum):
    """What follows when a container ends: the words of ``restartPolicy``."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"


@dataclass(frozen=True, slots=True)
class PodSpec:
    """A pod to run. Two equal specs are the same pod; a changed one is started anew.

    ``inject`` says whether Envoy runs beside it (``model.injection.decide`` decides), and ``router`` that it is a
    gateway: Envoy takes the place of the container ``istio-proxy``, and nothing is intercepted. ``workload`` is the
    name of the Deployment, StatefulSet or Job it came from, or its own; ``restarted`` is any text whose change restarts
    the pod.
    """

    namespace: str
    name: str
    containers: tuple[Container, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    service_account: str = "default"
    init_containers: tuple[Container, ...] = ()
    restart: Restart = Restart.ALWAYS
    hostname: str = ""
    subdomain: str = ""
    inject: bool = False
    router: bool = False
    workload: str = ""
    workload_kind: str = "Pod"
    termination_grace: timedelta = timedelta(seconds=2)
    restarted: str = ""
    node_name: str = ""  # where the manifest says it runs; all run on this machine

    @property
    def key(self) -> PodKey:
        """The pod's name."""
        return PodKey(self.namespace, self.name)

    @property
    def applications(self) -> tuple[Container, ...]:
        """The containers that are run: all but the one that Envoy is."""
        return tuple(each for each in self.containers if not (self.router and each.name == PROXY))

    @property
    def container_ports(self) -> tuple[ContainerPort, ...]:
        """The ports of all containers, in their order."""
        return tuple(port for container in self.containers for port in container.ports)


class Phase(StrEnum):
    """How far a pod is: Kubernetes' words, and Gone for one that is no more."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    GONE = "Gone"


@dataclass(frozen=True, slots=True)
class PodStatus:
    """The state of a pod at one moment: what a kubelet would write into ``status``.

    ``ips`` holds the IPv4 address and, where the mesh has a second network, the IPv6 one. ``terminating`` means it was
    told to stop and must get no new requests; ``phase`` Gone means that it and its address are free.
    """

    namespace: str
    name: str
    labels: Mapping[str, str]
    ips: tuple[str, ...]
    ready: bool
    phase: Phase
    node_name: str
    service_account: str
    container_ports: tuple[ContainerPort, ...]
    hostname: str = ""
    subdomain: str = ""
    terminating: bool = False
    sidecar: bool = False
    restarts: int = 0

    @property
    def key(self) -> PodKey:
        """The pod's name."""
        return PodKey(self.namespace, self.name)

    @property
    def ip(self) -> str:
        """The first address."""
        return self.ips[0] if self.ips else ""
