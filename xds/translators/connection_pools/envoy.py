"""Connection pools in Envoy's words: circuit breakers, connection and HTTP options."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from xds.api.envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.config.core.v3.address_pb2 import TcpKeepalive
from xds.api.envoy.config.core.v3.protocol_pb2 import Http2ProtocolOptions
from xds.api.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from xds.api.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from xds.translators.connection_pools.policy import ConnectionLifetime, ConnectionPools, Keepalive, Limits, RetryBudget
from xds.wire.codec import duration

UNLIMITED: Final = 4_294_967_295
_NO_LIMITS: Final = Limits()
_SECOND: Final = timedelta(seconds=1)


def cluster(pools: ConnectionPools) -> Cluster:
    """The Cluster fragment: ``circuit_breakers``, ``connect_timeout`` when stated, ``upstream_connection_options``.

    Retries are limited by a budget unless ``maxRetries`` says how many; a budget that is stated goes before that.
    """
    limits = pools.limits or _NO_LIMITS
    message = Cluster()
    threshold = message.circuit_breakers.thresholds.add()
    threshold.max_connections.value = limits.max_connections or UNLIMITED
    threshold.max_pending_requests.value = limits.max_pending_requests or UNLIMITED
    threshold.max_requests.value = limits.max_requests or UNLIMITED
    if limits.max_retries and pools.retry_budget is None:
        threshold.max_retries.value = limits.max_retries
    else:
        _spell_budget(pools.retry_budget or RetryBudget(), threshold.retry_budget)
    if limits.connect_timeout is not None:
        message.connect_timeout.CopyFrom(duration(limits.connect_timeout))
    keepalive = limits.keepalive or pools.mesh_keepalive
    if keepalive is not None:
        message.upstream_connection_options.tcp_keepalive.CopyFrom(_keepalive(keepalive))
    return message


def _spell_budget(budget: RetryBudget, into: CircuitBreakers.Thresholds.RetryBudget) -> None:
    into.budget_percent.value = budget.percent.parts_per_million / 10_000
    into.min_retry_concurrency.value = budget.min_concurrency
    if budget.interval is not None:
        into.budget_interval.CopyFrom(duration(budget.interval))


def _keepalive(keepalive: Keepalive) -> TcpKeepalive:
    message = TcpKeepalive()
    if keepalive.probes:
        message.keepalive_probes.value = keepalive.probes
    if keepalive.time is not None:
        message.keepalive_time.value = _whole_seconds(keepalive.time)
    if keepalive.interval is not None:
        message.keepalive_interval.value = _whole_seconds(keepalive.interval)
    return message


def _whole_seconds(value: timedelta) -> int:
    return -(-value // _SECOND)


def http_protocol_options(pools: ConnectionPools) -> HttpProtocolOptions:
    """The HttpProtocolOptions fragment: ``common_http_protocol_options``."""
    limits = pools.limits or _NO_LIMITS
    message = HttpProtocolOptions()
    idle = limits.idle_timeout if limits.http_idle_timeout is None else limits.http_idle_timeout
    common = message.common_http_protocol_options
    if idle is not None:
        common.idle_timeout.CopyFrom(duration(idle))
    if limits.max_connection_duration is not None:
        common.max_connection_duration.CopyFrom(duration(limits.max_connection_duration))
    if limits.max_requests_per_connection:
        common.max_requests_per_connection.value = limits.max_requests_per_connection
    return message


def http2_protocol_options(pools: ConnectionPools) -> Http2ProtocolOptions:
    """The Http2ProtocolOptions fragment: streams per connection, pings."""
    limits = pools.limits or _NO_LIMITS
    message = Http2ProtocolOptions()
    if limits.max_concurrent_streams:
        message.max_concurrent_streams.value = limits.max_concurrent_streams
    if limits.pings is not None:
        if limits.pings.interval is not None:
            message.connection_keepalive.interval.CopyFrom(duration(limits.pings.interval))
        message.connection_keepalive.timeout.CopyFrom(duration(limits.pings.timeout))
    return message


def tcp_proxy(lifetime: ConnectionLifetime) -> TcpProxy:
    """The TcpProxy fragment: ``idle_timeout`` and ``max_downstream_connection_duration``, those that are stated."""
    message = TcpProxy()
    if lifetime.idle_timeout is not None:
        message.idle_timeout.CopyFrom(duration(lifetime.idle_timeout))
    if lifetime.max_duration is not None:
        message.max_downstream_connection_duration.CopyFrom(duration(lifetime.max_duration))
    return message
