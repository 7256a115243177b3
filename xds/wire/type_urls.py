"""The type URLs of xDS, and the order in which ADS sends them."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "type.googleapis.com/"
CLUSTER: Final = PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINT: Final = PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER: Final = PREFIX + "envoy.config.listener.v3.Listener"
ROUTE: Final = PREFIX + "envoy.config.route.v3.RouteConfiguration"
SCOPED_ROUTE: Final = PREFIX + "envoy.config.route.v3.ScopedRouteConfiguration"
VIRTUAL_HOST: Final = PREFIX + "envoy.config.route.v3.VirtualHost"
SECRET: Final = PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
RUNTIME: Final = PREFIX + "envoy.service.runtime.v3.Runtime"
EXTENSION: Final = PREFIX + "envoy.config.core.v3.TypedExtensionConfig"

# Make before break: what is referred to goes out before what refers to it; removals go the other way round.
ADS_ORDER: Final = (SECRET, CLUSTER, ENDPOINT, LISTENER, EXTENSION, SCOPED_ROUTE, ROUTE, VIRTUAL_HOST, RUNTIME)

# Types of which a subscription without names means all of them (xDS protocol, "wildcard"; VHDS: envoy-facts 1).
WILDCARD: Final = frozenset({CLUSTER, LISTENER, VIRTUAL_HOST, SCOPED_ROUTE})

# Types asked for by name only: a first request without names asks for nothing.
NAMED: Final = frozenset({ENDPOINT, ROUTE, SECRET, RUNTIME, EXTENSION})

# Types whose removals wait until nothing refers to them any more, in the order in which they then go. Removals of the
# others travel with the changes: a listener's address, a virtual host's domain is free for its successor only then.
REMOVED_LAST: Final = (ROUTE, EXTENSION, CLUSTER, ENDPOINT, SECRET)

# Types that refer to clusters: their changes wait until new clusters have their endpoints.
REFERRING: Final = frozenset({LISTENER, EXTENSION, SCOPED_ROUTE, ROUTE, VIRTUAL_HOST})

SHORT: Final = {
    CLUSTER: "cds",
    ENDPOINT: "eds",
    LISTENER: "lds",
    ROUTE: "rds",
    SCOPED_ROUTE: "srds",
    VIRTUAL_HOST: "vhds",
    SECRET: "sds",
    RUNTIME: "rtds",
    EXTENSION: "ecds",
}


def short(type_url: str) -> str:
    """The name people know a type by (``cds``); an unknown type by its message name."""
    return SHORT.get(type_url, type_url.rpartition(".")[2])
