"""The gRPC services of xDS: which method serves which type, in which of the two protocols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xds.wire.type_urls import (
    CLUSTER,
    ENDPOINT,
    EXTENSION,
    LISTENER,
    ROUTE,
    RUNTIME,
    SCOPED_ROUTE,
    SECRET,
    VIRTUAL_HOST,
)


@dataclass(frozen=True, slots=True)
class Method:
    """One streaming method; ``type_url`` is ``""`` where requests name the type themselves (ADS)."""

    service: str
    name: str
    delta: bool
    type_url: str


def methods() -> tuple[Method, ...]:
    """Every method that is served. There is no state-of-the-world protocol for virtual hosts."""
    found = []
    for service, noun, type_url in _SERVICES:
        if type_url != VIRTUAL_HOST:
            found.append(Method(service, f"Stream{noun}", False, type_url))
        found.append(Method(service, f"Delta{noun}", True, type_url))
    return tuple(found)


_SERVICES: Final = (
    ("envoy.service.discovery.v3.AggregatedDiscoveryService", "AggregatedResources", ""),
    ("envoy.service.cluster.v3.ClusterDiscoveryService", "Clusters", CLUSTER),
    ("envoy.service.endpoint.v3.EndpointDiscoveryService", "Endpoints", ENDPOINT),
    ("envoy.service.listener.v3.ListenerDiscoveryService", "Listeners", LISTENER),
    ("envoy.service.route.v3.RouteDiscoveryService", "Routes", ROUTE),
    ("envoy.service.route.v3.VirtualHostDiscoveryService", "VirtualHosts", VIRTUAL_HOST),
    ("envoy.service.route.v3.ScopedRoutesDiscoveryService", "ScopedRoutes", SCOPED_ROUTE),
    ("envoy.service.secret.v3.SecretDiscoveryService", "Secrets", SECRET),
    ("envoy.service.runtime.v3.RuntimeDiscoveryService", "Runtime", RUNTIME),
    ("envoy.service.extension.v3.ExtensionConfigDiscoveryService", "ExtensionConfigs", EXTENSION),
)
