"""Endpoints: the addresses that answer for a port of a service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from xds.model.labels import NO_LABELS, Labels
from xds.model.refs import ObjectRef


class Health(Enum):
    """Whether an endpoint may be sent requests (Envoy's core.v3.HealthStatus)."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"


class Locality(NamedTuple):
    """Where something runs, from the widest to the narrowest."""

    region: str = ""
    zone: str = ""
    subzone: str = ""


NOWHERE: Final = Locality()
UNIX: Final = "unix://"  # begins the address of a socket in the file system


class EndpointKey(NamedTuple):
    """What a group of endpoints answers for: a service's port by number."""

    hostname: str
    namespace: str
    port: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address behind a service's port; ``weight`` is relative, ``hostname`` a pod's own name if headless.

    ``account`` is what follows the trust domain in its identity (``ns/shop/sa/web``), ``""`` where unknown; ``tls`` is
    whether it takes the mesh's mutual TLS. ``twin`` is its pod's address of the other family, if it has one;
    ``network`` the network that it is in, ``""`` while none differ. Without an ``address`` only gateways of its network
    lead to it.
    """

    address: str
    port: int
    labels: Labels = NO_LABELS
    health: Health = Health.HEALTHY
    weight: int = 1
    locality: Locality = NOWHERE
    account: str = ""
    workload: str = ""
    hostname: str = ""
    tls: bool = False
    node: str = ""
    twin: str = ""
    network: str = ""


@dataclass(frozen=True, slots=True)
class SliceAddress:
    """One endpoint of an EndpointSlice, before it is joined with its pod."""

    address: str
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    zone: str = ""
    hostname: str = ""
    labels: Labels = NO_LABELS
    weight: int = 1
    locality: Locality = NOWHERE
    service_account: str = ""
    node: str = ""
    ports: tuple[tuple[str, int], ...] = ()  # a ServiceEntry endpoint's own, by the service port's name
    network: str = ""  # as a ServiceEntry says


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """Addresses that share their ports; ``ports`` maps the service port's name to the address's port."""

    ref: ObjectRef
    addresses: tuple[SliceAddress, ...]
    ports: tuple[tuple[str, int], ...]
