"""Networks: parts of a mesh whose workloads reach each other directly, and gateways from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from xds.model.endpoint import NOWHERE, Locality
from xds.model.refs import ObjectRef

NETWORK: Final = "topology.istio.io/network"
"""The label of the network: of pods, of the root namespace for all of its cluster, of Services that are gateways."""

GATEWAY_PORT: Final = "networking.istio.io/gatewayPort"
"""The label of a gateway's Service that says its port."""

EAST_WEST_PORT: Final = 15443
"""The port of a gateway that says none."""


@dataclass(frozen=True, slots=True)
class NetworkGateway:
    """What leads into a network from others.

    ``service`` is the host name of the Service whose addresses for the outside it is reached at, ``""`` where
    ``address`` says it. ``locality`` is where it is, NOWHERE where that is not said.
    """

    ref: ObjectRef
    network: str
    port: int = EAST_WEST_PORT
    address: str = ""
    service: str = ""
    locality: Locality = NOWHERE


@dataclass(frozen=True, slots=True)
class NetworkMember:
    """What is in a network as MeshNetworks say: all of a cluster (``registry``), or the addresses of ``cidr``."""

    ref: ObjectRef
    network: str
    registry: str = ""
    cidr: str = ""


@dataclass(frozen=True, slots=True)
class ExternalAddresses:
    """Where a Service is reached from outside of its cluster: IP addresses and host names."""

    ref: ObjectRef
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GatewayName:
    """The addresses that the name of a gateway stands for, as it was looked up."""

    name: str
    addresses: tuple[str, ...]


class Viewpoint(NamedTuple):
    """From where endpoints are called: the caller's network, ``""`` where it has none and reaches all directly.

    ``by_gateways``: whether the caller speaks the mesh's mutual TLS, which is all that gateways pass on.
    """

    network: str = ""
    by_gateways: bool = True
