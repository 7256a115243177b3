"""Reading ``connectionPool`` and ``retryBudget`` of a DestinationRule, and what MeshConfig says of both."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from xds.kinds.mesh_config import MeshConfigSpec
from xds.kinds.sidecar import IstioIngressListener, SidecarSpec
from xds.kinds.traffic_policy import (
    ConnectionPoolSettings,
    HTTP2KeepAlive,
    HTTPSettings,
    PortTrafficPolicy,
    TCPSettings,
    TrafficPolicy,
)
from xds.kinds.traffic_policy import RetryBudget as RetryBudgetStruct
from xds.kinds.traffic_policy import TcpKeepalive as KeepaliveStruct
from xds.model.quantity import Percent
from xds.model.refs import FieldRef
from xds.translators.connection_pools.policy import ConnectionPools, Keepalive, Limits, Pings, RetryBudget, Upgrade
from xds.translators.feature import Reading

_UPGRADE: Final = {"DEFAULT": Upgrade.DEFAULT, "DO_NOT_UPGRADE": Upgrade.NEVER, "UPGRADE": Upgrade.ALWAYS}
_PING_TIMEOUT: Final = timedelta(seconds=5)


def connection_pools(
    struct: TrafficPolicy | PortTrafficPolicy, at: FieldRef, reading: Reading
) -> ConnectionPools | None:
    """The policy in ``connectionPool`` and ``retryBudget``; None when both are absent.

    Problems: connection-pool.two-protocols, retry-budget.overrides.
    Source: istio networking/v1 ConnectionPoolSettings, TrafficPolicy.RetryBudget.
    """
    budget = struct.retry_budget if isinstance(struct, TrafficPolicy) else None
    if struct.connection_pool is None and budget is None:
        return None
    limits = _limits(struct.connection_pool, at / "connectionPool", reading)
    if budget is not None and limits is not None and limits.max_retries:
        where = at / "connectionPool.http.maxRetries"
        reading.warning(where, "retry-budget.overrides", "has no effect beside retryBudget")
    return ConnectionPools(limits, _budget(budget) if budget is not None else None)


def mesh_connection_pools(spec: MeshConfigSpec, at: FieldRef, reading: Reading) -> ConnectionPools | None:
    """The policy below every rule's: ``defaultTrafficPolicy.connectionPool``, ``tcpKeepalive``, ``h2UpgradePolicy``."""
    below = spec.default_traffic_policy
    limits = None
    if below is not None:
        limits = _limits(below.connection_pool, at / "defaultTrafficPolicy.connectionPool", reading)
    upgrade = spec.h2_upgrade_policy == "UPGRADE"
    if limits is None and spec.tcp_keepalive is None and not upgrade:
        return None
    keepalive = _keepalive(spec.tcp_keepalive) if spec.tcp_keepalive is not None else None
    return ConnectionPools(limits, mesh_keepalive=keepalive, mesh_upgrade=upgrade)


def inbound_pools(spec: SidecarSpec, at: FieldRef, reading: Reading) -> ConnectionPools | None:
    """The policy towards the application: ``inboundConnectionPool`` of a Sidecar."""
    limits = _limits(spec.inbound_connection_pool, at / "inboundConnectionPool", reading)
    return ConnectionPools(limits) if limits is not None else None


def ingress_pools(struct: IstioIngressListener, at: FieldRef, reading: Reading) -> ConnectionPools | None:
    """The policy towards the application on one port: ``connectionPool`` of a Sidecar's ``ingress``."""
    limits = _limits(struct.connection_pool, at / "connectionPool", reading)
    return ConnectionPools(limits) if limits is not None else None


def _limits(spec: ConnectionPoolSettings | None, at: FieldRef, reading: Reading) -> Limits | None:
    if spec is None:
        return None
    tcp = spec.tcp or TCPSettings()
    http = spec.http or HTTPSettings()
    if http.use_client_protocol and http.h2_upgrade_policy == "UPGRADE":
        message = "has no effect beside useClientProtocol"
        reading.warning(at / "http.h2UpgradePolicy", "connection-pool.two-protocols", message)
    return Limits(
        max_connections=tcp.max_connections,
        max_pending_requests=http.http1_max_pending_requests,
        max_requests=http.http2_max_requests,
        max_retries=http.max_retries,
        max_requests_per_connection=http.max_requests_per_connection,
        max_concurrent_streams=http.max_concurrent_streams,
        connect_timeout=tcp.connect_timeout,
        max_connection_duration=tcp.max_connection_duration,
        idle_timeout=tcp.idle_timeout,
        http_idle_timeout=http.idle_timeout,
        keepalive=_keepalive(tcp.tcp_keepalive) if tcp.tcp_keepalive is not None else None,
        pings=_pings(http.http2_keep_alive) if http.http2_keep_alive is not None else None,
        upgrade=_UPGRADE[http.h2_upgrade_policy],
        client_protocol=http.use_client_protocol,
    )


def _keepalive(spec: KeepaliveStruct) -> Keepalive:
    return Keepalive(spec.probes, spec.time, spec.interval)


def _pings(spec: HTTP2KeepAlive) -> Pings:
    # Envoy wants a timeout; Istio lets it be left out.
    return Pings(spec.interval, _PING_TIMEOUT if spec.timeout is None else spec.timeout)


def _budget(spec: RetryBudgetStruct) -> RetryBudget:
    default = RetryBudget()
    return RetryBudget(
        percent=default.percent if spec.percent is None else Percent.of(spec.percent),
        interval=spec.budget_interval,
        min_concurrency=spec.min_retry_concurrency or default.min_concurrency,
    )
