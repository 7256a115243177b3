"""What must follow a resource on the wire, read from its bytes."""

from __future__ import annotations

from typing import Final

from xds.wire import protobuf
from xds.wire.type_urls import CLUSTER, ROUTE

_EDS: Final = 3  # cluster.v3.Cluster.DiscoveryType


def refers_to(type_url: str, name: str, body: bytes) -> str:
    """The name that ``Resource.refers_to`` is."""
    try:
        if type_url == CLUSTER:
            return _load_assignment(name, body)
        if type_url == ROUTE:  # route.v3.RouteConfiguration.vhds is field 9
            return "" if protobuf.last(body, 9) is None else name
    except ValueError:  # not a message: the client will say so
        return ""
    return ""


def _load_assignment(name: str, body: bytes) -> str:
    """Fields of cluster.v3.Cluster: type 2, eds_cluster_config 3 {service_name 2}."""
    if protobuf.last(body, 2) != _EDS:
        return ""
    config = protobuf.last(body, 3)
    stated = protobuf.last(config, 2) if isinstance(config, bytes) else None
    return stated.decode() if isinstance(stated, bytes) and stated else name
