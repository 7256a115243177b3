"""Networks: gateways that nobody can call, and endpoints that are reached from their own network only."""

from __future__ import annotations

from collections.abc import Iterator

from xds.model.endpoint import EndpointKey
from xds.model.families import is_ip
from xds.model.network import NETWORK, NetworkGateway
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef
from xds.model.service import Service, ServiceKey
from xds.model.snapshot import Table
from xds.view.endpoints import endpoints
from xds.view.graph import Read
from xds.view.networks import addresses_of, divided, doors, leading_into
from xds.view.scope import mesh


def check(read: Read, network: str) -> tuple[Problem, ...]:
    """What is wrong with the gateways that lead into a network."""
    gateways: tuple[NetworkGateway, ...] = read.rows(Table.NETWORK_GATEWAY, network)
    used = read.get(leading_into, network)
    root = read.get(mesh).root_namespace
    found = [problem for gateway in used for problem in _of_gateway(read, gateway)]
    for gateway in gateways:
        if gateway.ref.kind != "Service" or gateway.ref.namespace == root:
            continue
        others = "is a gateway because" if gateway in used else "is no gateway unless"
        message = (
            f"{others} there is none of {network} in {root}: who may write Services elsewhere could take its traffic"
        )
        found.append(Problem(_where(gateway), "network.gateway-elsewhere", message, Severity.WARNING))
    return tuple(found)


def _of_gateway(read: Read, gateway: NetworkGateway) -> Iterator[Problem]:
    known = addresses_of(read, gateway)
    if any(is_ip(address) for address in known):
        return
    if known:
        reason = f"is reached by a name that is not found ({', '.join(known)})"
    else:
        of = gateway.service if gateway.ref.kind != "Service" else "it"
        reason = f"has no address yet (`status.loadBalancer.ingress` or `spec.externalIPs` of {of})"
    message = f"{reason}: from other networks nobody comes to {gateway.network} by this gateway"
    yield Problem(_where(gateway), "network.gateway-address", message, Severity.WARNING)


def _where(gateway: NetworkGateway) -> FieldRef:
    if gateway.ref.kind == "Service":
        return FieldRef(gateway.ref, ("metadata", "labels", NETWORK))
    return FieldRef(gateway.ref, ("spec", "meshNetworks", "networks", gateway.network, "gateways"))


def check_service(read: Read, key: ServiceKey) -> tuple[Problem, ...]:
    """Which endpoints of a service no gateway passes anything on to."""
    service: Service | None = read.first(Table.SERVICE, key)
    if service is None or not read.get(divided):
        return ()
    return tuple(_closed(read, service))


def _closed(read: Read, service: Service) -> Iterator[Problem]:
    told: set[str] = set()
    for port in service.ports:
        for endpoint in read.get(endpoints, EndpointKey(*service.key, port.number)):
            network = endpoint.network
            if not network or network in told or read.get(doors, network) is None:
                continue
            if service.external:
                reason = "is outside of the mesh (`location: MESH_EXTERNAL`)"
            elif not endpoint.tls:
                reason = f"takes no mutual TLS at port {port.number}"
            else:
                continue
            told.add(network)
            where = f"{endpoint.address}:{endpoint.port}" if endpoint.address else endpoint.workload
            message = f"{where} {reason}: gateways do not pass that on, so it is called from network {network} only"
            yield Problem(FieldRef(service.ref), "network.not-passed", message, Severity.WARNING)
