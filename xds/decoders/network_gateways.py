"""Gateways between networks: Services that say that they lead into one, and what MeshNetworks say.

Source: istio-semantics 2.8; Istio's label topology.istio.io/network of Services, and its MeshNetworks.
"""

from __future__ import annotations

from collections.abc import Iterator

from xds.decoders.addresses import LAST_PORT, canonical, port_number
from xds.decoders.row import Authored, Row
from xds.decoders.workloads import locality
from xds.kinds.mesh_networks import IstioNetworkGateway, MeshNetworks, Network, NetworkEndpoints
from xds.kinds.service import Service
from xds.model.network import (
    EAST_WEST_PORT,
    GATEWAY_PORT,
    NETWORK,
    ExternalAddresses,
    GatewayName,
    NetworkGateway,
    NetworkMember,
)
from xds.model.refs import FieldRef
from xds.model.snapshot import Input, Table


def gateway_rows(authored: Authored, hostname: str) -> Iterator[Row]:
    """The rows of a Service: where it is reached from outside, and the network that it leads into.

    Problems: network.gateway-port.
    """
    struct: Service = authored.struct
    outside = tuple(dict.fromkeys(_outside(struct)))
    if outside:
        yield Row(Input(Table.EXTERNAL_ADDRESSES, hostname), ExternalAddresses(authored.ref, outside))
    network = struct.metadata.labels.get(NETWORK, "")
    if network and struct.spec.type != "ExternalName":
        gateway = NetworkGateway(authored.ref, network, _port(authored, struct), service=hostname)
        yield Row(Input(Table.NETWORK_GATEWAY, network), gateway)


def _outside(struct: Service) -> Iterator[str]:
    if struct.spec.type == "LoadBalancer":
        for ingress in struct.status.load_balancer.ingress:
            yield from (canonical(each) or each for each in (ingress.ip, ingress.hostname) if each)
    for address in struct.spec.external_ips:
        if canonical(address):
            yield canonical(address) or address


def _port(authored: Authored, struct: Service) -> int:
    text = struct.metadata.labels.get(GATEWAY_PORT, "")
    if not text:
        return EAST_WEST_PORT
    if port := port_number(text):
        return port
    at = (FieldRef(authored.ref, ("metadata",)) / "labels").key(GATEWAY_PORT)
    message = f"must be a port, is {text!r}; {EAST_WEST_PORT} is used"
    authored.reading.warning(at, "network.gateway-port", message)
    return EAST_WEST_PORT


def decode_name(authored: Authored) -> Iterator[Row]:
    """The row of a gateway's name that was looked up."""
    found: GatewayName = authored.struct
    yield Row(Input(Table.GATEWAY_NAME, found.name), found)


def mesh_networks_rows(spec: MeshNetworks, at: FieldRef, authored: Authored) -> Iterator[Row]:
    """The rows of MeshNetworks, which stand at ``at``.

    Problems: network.member, network.gateway, network.gateway-port.
    """
    for name, network in sorted(spec.networks.items()):
        here = (at / "networks").key(name)
        for index, member in enumerate(network.endpoints):
            yield from _member_rows(name, member, here / "endpoints" / index, authored)
        for index, gateway in enumerate(network.gateways):
            yield from _gateway_rows(name, gateway, here / "gateways" / index, authored)
        _check(network, here, authored)


def _check(network: Network, at: FieldRef, authored: Authored) -> None:
    if not network.endpoints:
        message = "is empty: nothing is in this network, unless labels say so"
        authored.reading.warning(at / "endpoints", "network.member", message)


def _member_rows(name: str, spec: NetworkEndpoints, at: FieldRef, authored: Authored) -> Iterator[Row]:
    if bool(spec.from_cidr) == bool(spec.from_registry):
        authored.reading.error(at, "network.member", "must have one of fromRegistry and fromCidr")
        return
    cidr = canonical(spec.from_cidr) if spec.from_cidr else ""
    if cidr is None:
        authored.reading.error(at / "fromCidr", "network.member", f"must be a subnet, is {spec.from_cidr!r}")
        return
    yield Row(Input(Table.NETWORK_MEMBER, ""), NetworkMember(authored.ref, name, spec.from_registry, cidr))


def _gateway_rows(name: str, spec: IstioNetworkGateway, at: FieldRef, authored: Authored) -> Iterator[Row]:
    if bool(spec.address) == bool(spec.registry_service_name):
        authored.reading.error(at, "network.gateway", "must have one of address and registryServiceName")
        return
    if not 0 < spec.port <= LAST_PORT:
        authored.reading.error(at / "port", "network.gateway-port", f"must be a port, is {spec.port}")
        return
    gateway = NetworkGateway(
        ref=authored.ref,
        network=name,
        port=spec.port,
        address=canonical(spec.address) or spec.address,
        service=spec.registry_service_name.lower(),
        locality=locality(spec.locality),
    )
    yield Row(Input(Table.NETWORK_GATEWAY, name), gateway)
