"""Candidates in the form in which a prover can take many at once: harmless, and each under a name of its own.

No port of the machine's is bound, no host is looked up and nobody is called on behalf of a candidate, and two versions
of one resource do not get into each other's way. All else stays as it is, as it is what Envoy has to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, ip_address
from typing import Any, Final

from google.protobuf.message import Message

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.config.core.v3.address_pb2 import SocketAddress
from xds.api.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from xds.api.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from xds.api.envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain
from xds.api.envoy.config.listener.v3.listener_pb2 import Listener
from xds.api.envoy.config.route.v3.route_components_pb2 import VirtualHost
from xds.api.envoy.config.route.v3.route_pb2 import RouteConfiguration
from xds.api.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    HttpFilter,
)
from xds.api.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from xds.prover.candidate import Candidate
from xds.wire.codec import pack
from xds.wire.type_urls import CLUSTER, EXTENSION, LISTENER, ROUTE

NAME: Final = "plait-proof-"
APART: Final = "plait-host-"
"""What the domains of virtual hosts begin with, before a number, so that those of two candidates never are the same."""

_HTTP_FILTERS: Final = "/envoy.extensions.filters.http."
_NETWORK_FILTERS: Final = "/envoy.extensions.filters.network."
_ROUTER: Final = f"{_HTTP_FILTERS}router."
# Network filters that are the last of their chain.
_LAST: Final = tuple(
    f"{_NETWORK_FILTERS}{name}."
    for name in (
        "tcp_proxy",
        "http_connection_manager",
        "redis_proxy",
        "thrift_proxy",
        "dubbo_proxy",
        "direct_response",
    )
)
_FIRST: Final = int(IPv4Address("127.1.0.0"))
_NOBODY: Final = 1  # the port of a service that is run nowhere
_LONGEST_BODY: Final = 2**24  # how long one may be is said where virtual hosts are, and judged there
_ADDRESSES: Final = 2**23
_DNS: Final = frozenset({Cluster.STRICT_DNS, Cluster.LOGICAL_DNS})


def cluster(body: bytes, number: int) -> Cluster:
    """The cluster under another name; it looks up no names and sends no probes to anybody."""
    message = Cluster.FromString(body)
    message.name = f"{NAME}{number}"
    if message.type in _DNS or message.health_checks or message.HasField("cluster_type"):
        for each in (each for locality in message.load_assignment.endpoints for each in locality.lb_endpoints):
            each.endpoint.health_check_config.ClearField("address")
            del each.endpoint.additional_addresses[:]
            if each.endpoint.address.HasField("socket_address"):
                place = each.endpoint.address.socket_address
                place.address, place.port_value = "127.0.0.1", _NOBODY
    return message


def listener(body: bytes, number: int) -> Listener:
    """The listener under another name at an address of its own, to which it is not bound.

    Those for UDP must be: to a port of loopback that the kernel chooses.
    """
    message = Listener.FromString(body)
    message.name = f"{NAME}{number}"
    message.bind_to_port.value = message.address.socket_address.protocol == SocketAddress.UDP  # else it is refused
    for index, address in enumerate((message.address, *(each.address for each in message.additional_addresses))):
        _move(address, number + index)
    return message


def _move(address: Any, number: int) -> None:
    if not address.HasField("socket_address"):
        return
    place = address.socket_address
    try:
        ip_address(place.address)
    except ValueError:
        return  # for Envoy to say
    place.address = str(IPv4Address(_FIRST + number % _ADDRESSES))
    place.ipv4_compat = False
    if place.protocol == SocketAddress.UDP:
        place.port_value = 0


def filter_listener(body: bytes, number: int) -> Listener | None:
    """A listener whose only filter is the filter configuration; None for one that is not for chains of a listener."""
    config = TypedExtensionConfig.FromString(body)
    url = config.typed_config.type_url
    if _HTTP_FILTERS in url:
        filters = [HttpFilter(name=config.name, typed_config=config.typed_config)]
        if _ROUTER not in url:
            filters.append(HttpFilter(name="router", typed_config=pack(Router())))
        manager = HttpConnectionManager(
            stat_prefix=NAME, http_filters=filters, route_config=RouteConfiguration(name=NAME)
        )
        chain = [Filter(name="http", typed_config=pack(manager))]
    elif _NETWORK_FILTERS in url:
        chain = [Filter(name=config.name, typed_config=config.typed_config)]
        if not any(kind in url for kind in _LAST):
            chain.append(Filter(name="last", typed_config=pack(TcpProxy(stat_prefix=NAME, cluster=NAME))))
    else:
        return None
    made = Listener(name=f"{NAME}{number}", filter_chains=[FilterChain(filters=chain)])
    made.bind_to_port.value = False
    made.address.socket_address.address = str(IPv4Address(_FIRST + number % _ADDRESSES))
    made.address.socket_address.port_value = 1
    return made


def route_configuration(body: bytes, slot: str) -> RouteConfiguration:
    """The route configuration as that of a slot; virtual hosts that come apart from it are proven apart."""
    message = RouteConfiguration.FromString(body)
    message.name = slot
    message.ClearField("vhds")
    return message


def virtual_hosts(bodies: Sequence[bytes], slot: str) -> RouteConfiguration:
    """All the virtual hosts as one route configuration, none with a domain of another's."""
    found = RouteConfiguration(name=slot, ignore_port_in_host_matching=True)
    found.validate_clusters.value = False
    found.max_direct_response_body_size_bytes.value = _LONGEST_BODY
    for number, body in enumerate(bodies):
        host = found.virtual_hosts.add()
        host.ParseFromString(body)
        _set_apart(host, number)
    return found


def _set_apart(host: VirtualHost, number: int) -> None:
    """Give the host domains that only it has; one that it has twice it keeps twice."""
    domains = [f"{APART}{number}-{each.replace('*', 'any')}" for each in host.domains]
    host.name = f"{NAME}{number}"
    del host.domains[:]
    host.domains.extend(domains)


def stand_in(name: str) -> Cluster:
    """A cluster for who names one that has to be there when its configuration is read."""
    made = Cluster(name=name, type=Cluster.STATIC, load_assignment=ClusterLoadAssignment(cluster_name=name))
    made.connect_timeout.seconds = 1
    return made


def inert(candidates: Iterable[tuple[Candidate, int]], slot: str) -> list[Message]:
    """What is sent for candidates of one type, each with a number of its own."""
    pairs = list(candidates)
    kind = pairs[0][0].type_url
    if kind == CLUSTER:
        return [cluster(each.body, number) for each, number in pairs]
    if kind == LISTENER:
        return [listener(each.body, number) for each, number in pairs]
    if kind == EXTENSION:
        return [made for each, number in pairs if (made := filter_listener(each.body, number)) is not None]
    if kind == ROUTE:
        return [route_configuration(each.body, slot) for each, _ in pairs]
    return [virtual_hosts([each.body for each, _ in pairs], slot)]
