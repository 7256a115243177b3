"""Load balancing in Envoy's words: the cluster's method, and what routes hash."""

from __future__ import annotations

from typing import Final

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.config.core.v3.base_pb2 import RuntimeDouble
from xds.api.envoy.config.route.v3.route_components_pb2 import RouteAction
from xds.api.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from xds.api.envoy.type.v3.hash_policy_pb2 import HashPolicy
from xds.api.envoy.type.v3.percent_pb2 import Percent
from xds.translators.load_balancing.policy import Cookie, HashKey, LoadBalancing, Method, Warmup
from xds.wire.codec import duration

_LB_POLICY: Final = {
    Method.LEAST_REQUEST: Cluster.LEAST_REQUEST,
    Method.ROUND_ROBIN: Cluster.ROUND_ROBIN,
    Method.RANDOM: Cluster.RANDOM,
    Method.PASSTHROUGH: Cluster.CLUSTER_PROVIDED,
    Method.RING_HASH: Cluster.RING_HASH,
    Method.MAGLEV: Cluster.MAGLEV,
}


def cluster(balancing: LoadBalancing) -> Cluster:
    """The Cluster fragment: ``lb_policy``, and that method's own settings."""
    message = Cluster(lb_policy=_LB_POLICY[balancing.method])
    if balancing.method is Method.RING_HASH and balancing.size:
        message.ring_hash_lb_config.minimum_ring_size.value = balancing.size
    elif balancing.method is Method.MAGLEV and balancing.size:
        message.maglev_lb_config.table_size.value = balancing.size
    elif balancing.warmup is not None and balancing.method is Method.LEAST_REQUEST:
        message.least_request_lb_config.slow_start_config.CopyFrom(_slow_start(balancing.warmup))
    elif balancing.warmup is not None and balancing.method is Method.ROUND_ROBIN:
        message.round_robin_lb_config.slow_start_config.CopyFrom(_slow_start(balancing.warmup))
    return message


def _slow_start(warmup: Warmup) -> Cluster.SlowStartConfig:
    return Cluster.SlowStartConfig(
        slow_start_window=duration(warmup.duration),
        aggression=RuntimeDouble(default_value=warmup.aggression, runtime_key="upstream.slow_start.aggression"),
        min_weight_percent=Percent(value=warmup.minimum_percent),
    )


def route_action(key: HashKey) -> RouteAction:
    """The RouteAction fragment: one ``hash_policy``."""
    message = RouteAction()
    policy = message.hash_policy.add()
    if key.header:
        policy.header.header_name = key.header
    elif key.cookie is not None:
        _spell_cookie(key.cookie, policy.cookie)
    elif key.query:
        policy.query_parameter.name = key.query
    else:
        policy.connection_properties.source_ip = True
    return message


def _spell_cookie(cookie: Cookie, into: RouteAction.HashPolicy.Cookie) -> None:
    into.name = cookie.name
    into.path = cookie.path
    if cookie.ttl is not None:
        into.ttl.CopyFrom(duration(cookie.ttl))
    for name, value in cookie.attributes:
        into.attributes.add(name=name, value=value)


def tcp_proxy(key: HashKey) -> TcpProxy:
    """The TcpProxy fragment: a ``hash_policy`` by address; bytes have no header, cookie or query."""
    if not key.source_ip:
        return TcpProxy()
    return TcpProxy(hash_policy=[HashPolicy(source_ip=HashPolicy.SourceIp())])
