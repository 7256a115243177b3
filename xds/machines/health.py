"""What the proxy of a machine is asked about what runs beside it: the probe of its WorkloadGroup, in Envoy's words.

Envoy asks from within the machine, on its loopback address, as the agent of Istio does; it runs no commands.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from xds.api.envoy.config.core.v3.health_check_pb2 import HealthCheck
from xds.api.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import UpstreamTlsContext
from xds.api.envoy.service.health.v3.hds_pb2 import ClusterHealthCheck, HealthCheckSpecifier
from xds.model.workload_group import Check, Probe
from xds.wire.codec import pack

_TOLD_EVERY: Final = timedelta(seconds=1)
_OK: Final = (200, 400)  # as the kubelet: from, and up to but without
_TLS: Final = "envoy.transport_sockets.tls"


def question(probe: Probe) -> HealthCheckSpecifier | None:
    """What to check and how often to tell; None for a command."""
    if probe.check.command:
        return None
    wanted = HealthCheckSpecifier()
    wanted.interval.FromTimedelta(_TOLD_EVERY)
    cluster = wanted.cluster_health_checks.add(cluster_name="probe")
    check = cluster.health_checks.add()
    check.timeout.FromTimedelta(probe.timeout)
    for interval in (check.interval, check.no_traffic_interval):
        interval.FromTimedelta(probe.period)
    check.healthy_threshold.value = probe.successes
    check.unhealthy_threshold.value = probe.failures
    _spell(probe.check, check, cluster)
    where = cluster.locality_endpoints.add().endpoints.add().address.socket_address
    where.address, where.port_value = "127.0.0.1", probe.check.port
    return wanted


def _spell(asked: Check, into: HealthCheck, cluster: ClusterHealthCheck) -> None:
    if asked.grpc:
        into.grpc_health_check.service_name = asked.service
        return
    if not asked.path:
        into.tcp_health_check.SetInParent()
        return
    http = into.http_health_check
    http.path = asked.path
    http.host = asked.host or "localhost"
    expected = http.expected_statuses.add()
    expected.start, expected.end = _OK
    for name, value in asked.headers:
        header = http.request_headers_to_add.add()
        header.header.key, header.header.value = name, value
    if asked.scheme == "HTTPS":  # whoever it says it is, as the kubelet
        match = cluster.transport_socket_matches.add(name="tls")
        match.match.SetInParent()
        match.transport_socket.name = _TLS
        match.transport_socket.typed_config.CopyFrom(pack(UpstreamTlsContext()))
