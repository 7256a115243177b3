"""Services as the local mesh needs them: who answers behind which address and name. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from xds.local.pods import PodKey


@dataclass(frozen=True, slots=True)
class ServiceEndpoint:
    """One ready address of a service; ``hostname`` gives it a name of its own below the service's (StatefulSets)."""

    address: str
    hostname: str = ""
    pod: PodKey | None = None


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a service and where its connections go: (address, port) pairs of one address family or both."""

    port: int
    protocol: str = "TCP"
    backends: tuple[tuple[str, int], ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class LocalService:
    """A Service: with addresses (ClusterIP), without (headless), or another name for a host (ExternalName).

    ``load_balancer`` is whether it is to be reached from outside of the mesh.
    """

    namespace: str
    name: str
    cluster_ips: tuple[str, ...] = ()
    ports: tuple[ServicePort, ...] = ()
    endpoints: tuple[ServiceEndpoint, ...] = ()
    external_name: str = ""
    load_balancer: bool = False


@dataclass(frozen=True, slots=True)
class HostAddresses:
    """A host that is no Service (of a ServiceEntry) and the addresses of its name; ``*.x.y`` covers all below."""

    host: str
    addresses: tuple[str, ...]
