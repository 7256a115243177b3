"""Hosts that Envoy resolves when somebody calls them: one cache of names for all of its filters and clusters.

The filter stands in every outbound HTTP chain, and does nothing where the route's cluster is of another type: a
ServiceEntry with resolution DYNAMIC_DNS changes no listener.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.config.listener.v3.listener_components_pb2 import Filter
from xds.api.envoy.extensions.clusters.dynamic_forward_proxy.v3.cluster_pb2 import ClusterConfig
from xds.api.envoy.extensions.common.dynamic_forward_proxy.v3.dns_cache_pb2 import DnsCacheConfig
from xds.api.envoy.extensions.filters.http.dynamic_forward_proxy.v3.dynamic_forward_proxy_pb2 import (
    FilterConfig as HttpFilterConfig,
)
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from xds.api.envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.sni_dynamic_forward_proxy_pb2 import (
    FilterConfig as SniFilterConfig,
)
from xds.wire.codec import encode, pack

_HTTP: Final = "envoy.filters.http.dynamic_forward_proxy"
_SNI: Final = "envoy.filters.network.sni_dynamic_forward_proxy"
_CLUSTER: Final = "envoy.clusters.dynamic_forward_proxy"
_CACHE: Final = "dynamic-dns"
_HOSTS: Final = 1024
# Whoever owns a name may let it mean any address: not the proxy (its admin interface), nor the metadata of its machine.
_NEVER: Final = (
    *(("0.0.0.0", 8), ("127.0.0.0", 8), ("169.254.0.0", 16), ("::", 127), ("fe80::", 10)),
    *(("::ffff:0.0.0.0", 104), ("::ffff:127.0.0.0", 104), ("::ffff:169.254.0.0", 112)),
    *(("100.100.100.200", 32), ("168.63.129.16", 32), ("fd00:ec2::254", 128)),
    *(("::ffff:100.100.100.200", 128), ("::ffff:168.63.129.16", 128)),
)


@cache
def _cache() -> DnsCacheConfig:
    # Nothing here may depend on what users write, as the listeners would change with it.
    message = DnsCacheConfig(dns_lookup_family=Cluster.V4_PREFERRED)
    message.max_hosts.value = _HOSTS
    for prefix, length in _NEVER:
        left_out = message.resolved_address_filter.ranges.add(address_prefix=prefix)
        left_out.prefix_len.value = length
    # Envoy refuses a second cache of one name with other settings, such as those of another version of ours.
    message.name = f"{_CACHE}-{hashlib.sha256(encode(message)).hexdigest()[:8]}"
    return message


@cache
def http_filter() -> HttpFilter:
    """The filter of HTTP chains that resolves the host of requests to clusters of this type."""
    return HttpFilter(name=_HTTP, typed_config=pack(HttpFilterConfig(dns_cache_config=_cache())))


@cache
def sni_filter(port: int) -> Filter:
    """The filter of a TLS chain that resolves the SNI; ``port`` is where the host is called."""
    return Filter(name=_SNI, typed_config=pack(SniFilterConfig(port_value=port, dns_cache_config=_cache())))


def spell_cluster(message: Cluster) -> None:
    """Make ``message`` the cluster of hosts that those filters resolve."""
    message.cluster_type.name = _CLUSTER
    # What a DestinationRule says of TLS may be less than Envoy would insist on, as with any other cluster.
    config = ClusterConfig(dns_cache_config=_cache(), allow_insecure_cluster_options=True)
    message.cluster_type.typed_config.CopyFrom(pack(config))
    message.lb_policy = Cluster.CLUSTER_PROVIDED
    chosen = message.WhichOneof("lb_config")
    if chosen is not None:
        message.ClearField(chosen)
