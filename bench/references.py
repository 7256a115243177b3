"""What a resource makes Envoy ask for next: a cluster its endpoints, a listener its routes and filters."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from xds.api.envoy.config.cluster.v3 import cluster_pb2
from xds.api.envoy.config.endpoint.v3 import endpoint_pb2
from xds.api.envoy.config.listener.v3 import listener_pb2
from xds.api.envoy.config.route.v3 import route_pb2
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from xds.wire import type_urls as t

_NONE: Final[frozenset[str]] = frozenset()
_HCM = http_connection_manager_pb2.HttpConnectionManager
_MANAGER: Final[Any] = _HCM.DESCRIPTOR


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


def refers_to(type_url: str, name: str, body: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the next type that a resource refers to, and the extension configurations.

    Shape: of a cluster its load assignment, of a listener its route tables, of a route table itself when its virtual
    hosts come one by one, of a virtual host its route table.
    """
    if type_url == t.CLUSTER:
        cluster = cluster_pb2.Cluster.FromString(body)
        if cluster.type == cluster_pb2.Cluster.EDS:
            return frozenset({cluster.eds_cluster_config.service_name or cluster.name}), _NONE
    elif type_url == t.LISTENER:
        return _of_listener(listener_pb2.Listener.FromString(body))
    elif type_url == t.ROUTE:
        table = route_pb2.RouteConfiguration.FromString(body)
        return (frozenset({name}) if table.HasField("vhds") else _NONE), _NONE
    elif type_url == t.VIRTUAL_HOST:
        return frozenset({name.rpartition("/")[0]}), _NONE
    return _NONE, _NONE


def _of_listener(listener: listener_pb2.Listener) -> tuple[frozenset[str], frozenset[str]]:
    routes: set[str] = set()
    extensions: set[str] = set()
    for chain in [*listener.filter_chains, listener.default_filter_chain]:
        for each in chain.filters:
            if each.HasField("config_discovery"):
                extensions.add(each.name)
            if not each.typed_config.Is(_MANAGER):
                continue
            manager = _HCM.FromString(each.typed_config.value)
            if manager.HasField("rds"):
                routes.add(manager.rds.route_config_name)
            extensions |= {item.name for item in manager.http_filters if item.HasField("config_discovery")}
    return frozenset(routes), frozenset(extensions)
