"""What a resource makes Envoy ask for next: a cluster its endpoints, a listener routes and filters, both secrets."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final, NamedTuple

from xds.api.envoy.config.cluster.v3 import cluster_pb2
from xds.api.envoy.config.core.v3 import base_pb2
from xds.api.envoy.config.endpoint.v3 import endpoint_pb2
from xds.api.envoy.config.listener.v3 import listener_pb2
from xds.api.envoy.config.route.v3 import route_pb2
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from xds.api.envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from xds.wire import type_urls as t

_NONE: Final[frozenset[str]] = frozenset()
_HCM = http_connection_manager_pb2.HttpConnectionManager
_MANAGER: Final[Any] = _HCM.DESCRIPTOR
_TLS: Final[dict[str, Any]] = {
    t.PREFIX + kind.DESCRIPTOR.full_name: kind for kind in (tls_pb2.UpstreamTlsContext, tls_pb2.DownstreamTlsContext)
}


@cache
def _messages() -> dict[str, Any]:
    return {
        t.CLUSTER: cluster_pb2.Cluster,
        t.ENDPOINT: endpoint_pb2.ClusterLoadAssignment,
        t.LISTENER: listener_pb2.Listener,
        t.ROUTE: route_pb2.RouteConfiguration,
    }


def named(type_url: str, body: bytes) -> str:
    """The name that an encoded resource has inside itself."""
    message = _messages()[type_url].FromString(body)
    return str(message.cluster_name if type_url == t.ENDPOINT else message.name)


class References(NamedTuple):
    """The names that a resource refers to: of the next type, of filters of their own, of secrets."""

    refers: frozenset[str] = _NONE
    extensions: frozenset[str] = _NONE
    secrets: frozenset[str] = _NONE


def refers_to(type_url: str, name: str, body: bytes) -> References:
    """What a resource refers to.

    Shape: of the next type, a cluster refers to its load assignment, a listener to its route tables, a route table to
    itself when its virtual hosts come one by one, a virtual host to its route table.
    """
    if type_url == t.CLUSTER:
        return _of_cluster(cluster_pb2.Cluster.FromString(body))
    if type_url == t.LISTENER:
        return _of_listener(listener_pb2.Listener.FromString(body))
    if type_url == t.ROUTE:
        table = route_pb2.RouteConfiguration.FromString(body)
        return References(frozenset({name})) if table.HasField("vhds") else References()
    if type_url == t.VIRTUAL_HOST:
        return References(frozenset({name.rpartition("/")[0]}))
    return References()


def _of_cluster(cluster: cluster_pb2.Cluster) -> References:
    assigned = _NONE
    if cluster.type == cluster_pb2.Cluster.EDS:
        assigned = frozenset({cluster.eds_cluster_config.service_name or cluster.name})
    sockets = [cluster.transport_socket, *(match.transport_socket for match in cluster.transport_socket_matches)]
    return References(assigned, secrets=_secrets(sockets))


def _secrets(sockets: Iterable[base_pb2.TransportSocket]) -> frozenset[str]:
    found: set[str] = set()
    for socket in sockets:
        kind = _TLS.get(socket.typed_config.type_url)
        if kind is None:
            continue
        common = kind.FromString(socket.typed_config.value).common_tls_context
        found |= {each.name for each in common.tls_certificate_sds_secret_configs}
        found.add(common.combined_validation_context.validation_context_sds_secret_config.name)
    return frozenset(found - {""})


def _of_listener(listener: listener_pb2.Listener) -> References:
    routes: set[str] = set()
    extensions: set[str] = set()
    chains = [*listener.filter_chains, listener.default_filter_chain]
    for each in (each for chain in chains for each in chain.filters):
        if each.HasField("config_discovery"):
            extensions.add(each.name)
        if not each.typed_config.Is(_MANAGER):
            continue
        manager = _HCM.FromString(each.typed_config.value)
        if manager.HasField("rds"):
            routes.add(manager.rds.route_config_name)
        extensions |= {item.name for item in manager.http_filters if item.HasField("config_discovery")}
    secrets = _secrets(chain.transport_socket for chain in chains)
    return References(frozenset(routes), frozenset(extensions), secrets)
