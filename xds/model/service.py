"""Services: the names that are called, their ports, and how their endpoints are found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from xds.model.labels import NO_LABELS, Labels
from xds.model.placement import ANYWHERE, Nearness
from xds.model.policy import NO_POLICIES, Policies
from xds.model.refs import ObjectRef


class Protocol(Enum):
    """What a port speaks, as declared; ``AUTO`` is sniffed (Istio's protocol selection)."""

    HTTP = "HTTP"
    HTTP2 = "HTTP2"
    GRPC = "GRPC"
    GRPC_WEB = "GRPC-Web"
    HTTPS = "HTTPS"
    TLS = "TLS"
    TCP = "TCP"
    AUTO = "auto"

    @property
    def is_http(self) -> bool:
        """Whether requests on it are routed one by one."""
        return self in _HTTP

    @property
    def is_http2(self) -> bool:
        """Whether it is HTTP/2 from the first byte."""
        return self in _HTTP2

    @property
    def is_tls(self) -> bool:
        """Whether the application encrypts it itself, so that only the SNI can be seen."""
        return self in (Protocol.HTTPS, Protocol.TLS)


_HTTP = frozenset({Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB})
_HTTP2 = frozenset({Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB})


class Resolution(Enum):
    """How the addresses behind a service are found."""

    STATIC = "static"  # endpoints are known here and sent by EDS
    HEADLESS = "headless"  # the client has chosen an endpoint's address itself
    NONE = "none"  # ServiceEntry NONE: any address that the client chose
    DNS = "dns"  # Envoy resolves, all addresses
    DNS_ROUND_ROBIN = "dns-round-robin"  # Envoy resolves, the first address
    DYNAMIC_DNS = "dynamic-dns"  # Envoy resolves the name in each request
    ALIAS = "alias"  # another name for another service (ExternalName)


class ServiceKey(NamedTuple):
    """What tells services apart: the full host name, and the namespace that says so."""

    hostname: str
    namespace: str


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port that clients call, and the endpoint's port by number or name behind it."""

    number: int
    name: str
    protocol: Protocol
    target: int | str


@dataclass(frozen=True, slots=True)
class Service:
    """One service by its full host name.

    ``addresses`` are virtual IPs or CIDRs (none when headless); ``selector`` the labels of its workloads in its
    own namespace; ``alias_of`` the target's name for ``ALIAS``; ``created`` orders rivals, oldest first.
    """

    ref: ObjectRef
    hostname: str
    namespace: str
    ports: tuple[ServicePort, ...]
    resolution: Resolution = Resolution.STATIC
    addresses: tuple[str, ...] = ()
    selector: Labels = NO_LABELS
    external: bool = False
    export_to: tuple[str, ...] = ()
    alias_of: str = ""
    publish_not_ready: bool = False
    subject_alt_names: tuple[str, ...] = ()
    created: str = ""
    nearness: Nearness = ANYWHERE
    policies: Policies = NO_POLICIES  # what its own labels and annotations say of calling it
    udp: tuple[int, ...] = ()  # ports that take UDP, which only gateways listen to
    keeps_sessions: bool = False  # endpoints on their way out go on for who has a session with them

    @property
    def key(self) -> ServiceKey:
        """The service's name among all."""
        return ServiceKey(self.hostname, self.namespace)

    @property
    def kubernetes(self) -> bool:
        """Whether it is a Kubernetes Service, which wins over a ServiceEntry of the same name in its namespace."""
        return self.ref.kind == "Service"

    def port(self, number: int) -> ServicePort | None:
        """The port of that number, if declared."""
        return next((port for port in self.ports if port.number == number), None)


class Leading(NamedTuple):
    """Which ports, by number or name, of which pods of its namespace a service leads to.

    Light, so that who only asks whether any does depends on none of them.
    """

    of: ObjectRef
    selector: Labels
    targets: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Subset:
    """Some of a host's endpoints by label, with policies of their own."""

    name: str
    labels: Labels
    policies: Policies = NO_POLICIES
    port_policies: tuple[tuple[int, Policies], ...] = ()


@dataclass(frozen=True, slots=True)
class DestinationRule:
    """How to call a host (full name or wildcard): policies for all ports, for some ports (which replace), subsets."""

    ref: ObjectRef
    host: str
    export_to: tuple[str, ...] = ()
    workload_selector: Labels = NO_LABELS
    policies: Policies = NO_POLICIES
    port_policies: tuple[tuple[int, Policies], ...] = ()
    subsets: tuple[Subset, ...] = ()
    created: str = ""

    @property
    def every(self) -> tuple[Policies, ...]:
        """What it says anywhere: of the host, of ports, of subsets."""
        found = [self.policies, *(policies for _, policies in self.port_policies)]
        for subset in self.subsets:
            found += [subset.policies, *(policies for _, policies in subset.port_policies)]
        return tuple(found)
