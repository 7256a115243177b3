"""Networks: which one something is in, and by whose gateways endpoints of another one are called.

Source: istio-semantics 2.8 (split horizon): a label goes before the root namespace's, that before MeshNetworks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from math import lcm
from typing import NamedTuple

from xds.model.endpoint import NOWHERE, Endpoint, Health, Locality
from xds.model.families import is_ip
from xds.model.labels import NO_LABELS, Labels, value_of
from xds.model.mesh import Mesh
from xds.model.network import NETWORK, ExternalAddresses, GatewayName, NetworkGateway, NetworkMember, Viewpoint
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.model.workload import Namespace, Workload
from xds.model.workload_group import WorkloadGroup
from xds.view.graph import Read
from xds.view.own_machine import is_admin, is_of_machine


class Door(NamedTuple):
    """An address of a network's gateway."""

    address: str
    port: int
    locality: Locality = NOWHERE


def divided(read: Read) -> bool:
    """Whether any gateway leads into a network; without, all are one."""
    return bool(read.keys(Table.NETWORK_GATEWAY))


class Somewhere(NamedTuple):
    """Something at an address, with its labels and the network that its object states, in a cluster (``""``: the own).

    ``external``: it is no part of the mesh, so that what holds for all of a cluster says nothing of it.
    """

    address: str
    labels: Labels
    cluster: str = ""
    stated: str = ""
    external: bool = False


def network_at(read: Read, place: Somewhere) -> str:
    """The network that something is in; ``""`` where nobody says, or no gateway leads from one to another."""
    if not read.keys(Table.NETWORK_GATEWAY):  # asked for each endpoint: cheaper than the value of a maker
        return ""
    stated = place.stated or value_of(place.labels, NETWORK)
    if stated or place.external:
        return stated
    of_cluster = read.aside(cluster_network, place.cluster)
    if of_cluster or not read.keys(Table.NETWORK_MEMBER):
        return of_cluster
    return read.aside(listed_network, place.address, place.cluster)


def cluster_network(read: Read, cluster: str) -> str:
    """The network of all of a cluster, as the label of its root namespace says."""
    root = read.get(_root_namespace)
    known = (Table.REMOTE_NAMESPACE, (cluster, root)) if cluster else (Table.NAMESPACE, root)
    found: Namespace | None = read.first(*known)
    return value_of(found.labels, NETWORK) if found is not None else ""


def listed_network(read: Read, address: str, cluster: str) -> str:
    """The network of an address, or of all of its cluster, as MeshNetworks say."""
    settings: Mesh | None = read.first(Table.MESH, "")
    registry = cluster or (settings or Mesh()).cluster
    members: tuple[NetworkMember, ...] = read.rows(Table.NETWORK_MEMBER, "")
    named = (each.network for each in members if each.registry == registry)
    if (found := next(named, "")) or not address:
        return found
    try:
        place = ip_address(address)
    except ValueError:
        return ""
    ranges = ((ip_network(each.cidr), each.network) for each in members if each.cidr)
    fitting = [(_width(within), network) for within, network in ranges if place in within]
    return min(fitting)[1] if fitting else ""


def _width(within: IPv4Network | IPv6Network) -> int:
    return within.max_prefixlen - within.prefixlen


def proxy_network(read: Read, proxy: Proxy) -> str:
    """The network of a proxy: as it says itself, else as its WorkloadGroup or its pod's surroundings say."""
    if not read.get(divided):
        return ""
    if proxy.network:
        return proxy.network
    if proxy.group:
        of = ObjectRef("networking.istio.io", "WorkloadGroup", proxy.namespace, proxy.group)
        group: WorkloadGroup | None = read.first(Table.WORKLOAD_GROUP, of)
        if group is not None and group.network:
            return group.network
    pod: Workload | None = read.first(Table.WORKLOAD, (proxy.namespace, proxy.name))
    address = proxy.addresses[0] if proxy.addresses else ""
    if pod is None:
        return network_at(read, Somewhere(address, proxy.labels))
    return network_at(read, Somewhere(address, pod.labels, pod.ref.cluster))


def leading_into(read: Read, network: str) -> tuple[NetworkGateway, ...]:
    """The gateways of a network: those of MeshNetworks and of the root namespace; where there are none, all others.

    Who may write a Service somewhere else could take what others send there.
    """
    known: tuple[NetworkGateway, ...] = read.rows(Table.NETWORK_GATEWAY, network)
    root = read.aside(_root_namespace)
    return tuple(each for each in known if each.ref.kind != "Service" or each.ref.namespace == root) or known


def _root_namespace(read: Read) -> str:
    settings: Mesh | None = read.first(Table.MESH, "")
    return (settings or Mesh()).root_namespace


def doors(read: Read, network: str) -> tuple[Door, ...] | None:
    """The addresses of a network's gateways, sorted; None where no gateway is said to lead there."""
    gateways = read.get(leading_into, network)
    if not gateways:
        return None
    found: dict[tuple[str, int], Door] = {}
    for gateway in gateways:
        for address in addresses_of(read, gateway):
            if is_ip(address) and not is_admin(address, gateway.port) and not is_of_machine(address):
                found.setdefault((address, gateway.port), Door(address, gateway.port, gateway.locality))
    return tuple(sorted(found.values()))


def addresses_of(read: Read, gateway: NetworkGateway) -> tuple[str, ...]:
    """The addresses at which a gateway is reached; names that are not found stand for themselves."""
    return tuple(address for each in _stated(read, gateway) for address in _behind(read, each))


def _behind(read: Read, stated: str) -> tuple[str, ...]:
    found: GatewayName | None = None if is_ip(stated) else read.first(Table.GATEWAY_NAME, stated)
    return found.addresses if found is not None else (stated,)


def _stated(read: Read, gateway: NetworkGateway) -> tuple[str, ...]:
    if not gateway.service:
        return (gateway.address,)
    rows: tuple[ExternalAddresses, ...] = read.rows(Table.EXTERNAL_ADDRESSES, gateway.service)
    # Each cluster's label speaks of its own Service, whereas MeshNetworks mean those of all clusters.
    of_all = gateway.ref.kind != "Service"
    return tuple(address for row in rows if of_all or row.ref == gateway.ref for address in row.addresses)


def is_near(network: str, own: str) -> bool:
    """Whether what is in a network is called directly; so it is where one of both has none."""
    return not network or not own or network == own


def seen_from(
    read: Read, listed: Iterable[Endpoint], seen: Viewpoint, subset: Labels = NO_LABELS
) -> tuple[Endpoint, ...]:
    """The endpoints as they are called from ``seen``: those of other networks are one with the doors to these.

    ``listed`` has each pod once. A door stands for what has the labels of ``subset``, and has its weight, shared with
    the others of its network. Left out are endpoints that take no mutual TLS, as that alone finds its way through a
    gateway, and those without an address of their own.
    """
    near: dict[tuple[str, int], Endpoint] = {}
    far: dict[str, list[Endpoint]] = {}
    for endpoint in listed:
        if not is_near(endpoint.network, seen.network) and read.get(doors, endpoint.network) is not None:
            far.setdefault(endpoint.network, []).append(endpoint)
        elif endpoint.address and (endpoint.network == seen.network or (endpoint.address, endpoint.port) not in near):
            near[endpoint.address, endpoint.port] = endpoint
    ways: dict[str, tuple[Door, ...]] = {}
    for network, found in far.items():
        far[network] = [each for each in found if subset <= each.labels and _passes(each)]
        if far[network] and seen.by_gateways:
            leading: tuple[Door, ...] | None = read.get(doors, network)
            ways[network] = leading or ()
    scale = lcm(*(len(found) for found in ways.values() if found))
    if scale > 1:
        near = {at: replace(endpoint, weight=endpoint.weight * scale) for at, endpoint in near.items()}
    merged: dict[tuple[str, int], Endpoint] = {}
    for network, known in sorted(ways.items()):
        for door in known:
            _merge(merged, _through(door, far[network], scale // len(known), subset))
    return (*near.values(), *(door for at, door in merged.items() if at not in near))


def _passes(endpoint: Endpoint) -> bool:
    return endpoint.tls and endpoint.health is not Health.DRAINING


def _through(door: Door, behind: list[Endpoint], share: int, labels: Labels) -> Endpoint:
    ready = [each for each in behind if each.health is Health.HEALTHY]
    return Endpoint(
        address=door.address,
        port=door.port,
        labels=labels,
        health=Health.HEALTHY if ready else Health.UNHEALTHY,
        weight=share * sum(each.weight for each in ready or behind),
        locality=door.locality if any(door.locality) else _common(each.locality for each in ready or behind),
        tls=True,
        network=behind[0].network,
    )


def _merge(found: dict[tuple[str, int], Endpoint], door: Endpoint) -> None:
    """Add a door; several networks may have one, of which Envoy would keep the first alone."""
    known = found.get((door.address, door.port))
    both = door if known is None else replace(known, weight=known.weight + door.weight)
    found[door.address, door.port] = both


def _common(places: Iterable[Locality]) -> Locality:
    """The place that all are in: Envoy keeps an address in one locality only, and a gateway serves all behind it."""
    stated = sorted(set(places))
    shared = stated[0]
    for place in stated:
        same = [mine == other for mine, other in zip(shared, place, strict=True)]
        shared = Locality(*shared[: same.index(False) if False in same else len(same)])
    return shared
