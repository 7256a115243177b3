"""MeshNetworks: the networks of a mesh, who is in them, which gateways lead there; a key of the mesh's ConfigMap."""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from xds.kinds.authored import Strict
from xds.kinds.quantities import UInt32, about


class NetworkEndpoints(Strict, frozen=True, kw_only=True):
    """Some of what is in a network: one of the two fields."""

    from_cidr: Annotated[str, about("All addresses of this subnet.")] = ""
    from_registry: Annotated[str, about("All of the cluster of this name.")] = ""


class IstioNetworkGateway(Strict, frozen=True, kw_only=True):
    """A gateway that leads into a network: by its Service, or by its address."""

    registry_service_name: Annotated[str, about("Its Service, by its full name.")] = ""
    address: Annotated[str, about("Its address.")] = ""
    port: Annotated[UInt32, about("Its port.")] = 0
    locality: Annotated[str, about("Where it is (`region/zone`); where what is behind it is, when absent.")] = ""


class Network(Strict, frozen=True, kw_only=True):
    """A network."""

    endpoints: Annotated[tuple[NetworkEndpoints, ...], about("What is in it.")] = ()
    gateways: Annotated[tuple[IstioNetworkGateway, ...], about("What leads into it from others.")] = ()


class MeshNetworks(Strict, frozen=True, kw_only=True):
    """The networks of a mesh, as the key `meshNetworks` of the mesh's ConfigMap has them."""

    networks: Annotated[dict[str, Network], about("Networks, by their names.")] = field(default_factory=dict)
