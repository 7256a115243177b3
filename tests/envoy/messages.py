"""Envoy resources for tests, as short as they can be."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from xds.api.envoy.config.cluster.v3 import cluster_pb2
from xds.api.envoy.config.core.v3 import extension_pb2
from xds.api.envoy.config.endpoint.v3 import endpoint_pb2
from xds.api.envoy.config.listener.v3 import listener_pb2
from xds.api.envoy.config.route.v3 import route_components_pb2, route_pb2

# Imported for their messages, which are looked up by type URL.
from xds.api.envoy.extensions.filters.http.lua.v3 import lua_pb2 as _lua
from xds.api.envoy.extensions.filters.http.on_demand.v3 import on_demand_pb2 as _on_demand
from xds.api.envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as _rbac
from xds.api.envoy.extensions.filters.http.router.v3 import router_pb2 as _router
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as _http,
)
from xds.server import Resource

TYPES = "type.googleapis.com/"
MODULES = (_lua, _on_demand, _rbac, _router, _http)


def resource(message: Message, name: str, fields: dict[str, Any]) -> Resource:
    """The resource of that message type with those fields (JSON names)."""
    json_format.ParseDict(fields, message)
    return Resource(TYPES + message.DESCRIPTOR.full_name, name, message.SerializeToString(deterministic=True))


def ads(timeout_s: int = 15) -> dict[str, Any]:
    """A config source: this stream."""
    return {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": f"{timeout_s}s"}


def cluster(name: str, **fields: Any) -> Resource:
    """A cluster whose endpoints come by EDS."""
    base = {"name": name, "type": "EDS", "connect_timeout": "1s", "eds_cluster_config": {"eds_config": ads()}}
    return resource(cluster_pb2.Cluster(), name, {**base, **fields})


def endpoints(name: str, *ports: int, address: str = "127.0.0.1") -> Resource:
    """The endpoints of a cluster, on loopback."""
    found = [{"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}} for port in ports]
    fields = {"cluster_name": name, "endpoints": [{"lb_endpoints": found}] if found else []}
    return resource(endpoint_pb2.ClusterLoadAssignment(), name, fields)


def listener(name: str, routes: str, *filters: dict[str, Any], **fields: Any) -> Resource:
    """An HTTP listener on a port of the kernel's choice, whose routes come by RDS."""
    router = {"name": "router", "typed_config": {"@type": f"{TYPES}envoy.extensions.filters.http.router.v3.Router"}}
    manager = {
        "@type": f"{TYPES}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "rds": {"route_config_name": routes, "config_source": ads()},
        "http_filters": [*filters, router],
    }
    base = {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return resource(listener_pb2.Listener(), name, {**base, **fields})


def extension(name: str, type_name: str) -> dict[str, Any]:
    """An HTTP filter whose configuration comes by ECDS."""
    return {"name": name, "config_discovery": {"config_source": ads(), "type_urls": [TYPES + type_name]}}


def lua(name: str, script: str) -> Resource:
    """The configuration of a Lua filter."""
    config = {
        "@type": f"{TYPES}envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": {"inline_string": script},
    }
    return resource(extension_pb2.TypedExtensionConfig(), name, {"name": name, "typed_config": config})


def routes(name: str, *hosts: dict[str, Any], vhds: bool = False) -> Resource:
    """A route configuration with inline virtual hosts, or with VHDS."""
    fields: dict[str, Any] = {"name": name, "virtual_hosts": list(hosts)}
    if vhds:
        fields["vhds"] = {"config_source": ads()}
    return resource(route_pb2.RouteConfiguration(), name, fields)


def host(name: str, domain: str, to: str, **fields: Any) -> dict[str, Any]:
    """A virtual host that sends everything for ``domain`` to a cluster."""
    everything = {"match": {"prefix": "/"}, "route": {"cluster": to}}
    return {"name": name, "domains": [domain], "routes": [everything], **fields}


def virtual_host(name: str, domain: str, to: str, **fields: Any) -> Resource:
    """The same as a resource of its own."""
    return resource(route_components_pb2.VirtualHost(), name, host(name, domain, to, **fields))


def bad_virtual_host(name: str, domain: str, to: str) -> Resource:
    """One that Envoy refuses: its regular expression does not end."""
    match = {"safe_regex": {"regex": "["}}
    return virtual_host(name, domain, to, routes=[{"match": match, "route": {"cluster": to}}])
