"""The access loggers of inbound chains: refusals to the control plane, and callers counted in Envoy's statistics.

They stand in every inbound chain, whatever the policies: the listener never changes for them. Envoy itself filters, so
that a request that is let through costs a few comparisons and two counters, and sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from xds.api.envoy.config.accesslog.v3.accesslog_pb2 import (
    AccessLog,
    AccessLogFilter,
    MetadataFilter,
)
from xds.api.envoy.config.core.v3.config_source_pb2 import ApiVersion
from xds.api.envoy.extensions.access_loggers.grpc.v3.als_pb2 import (
    CommonGrpcAccessLogConfig,
    HttpGrpcAccessLogConfig,
    TcpGrpcAccessLogConfig,
)
from xds.api.envoy.extensions.access_loggers.stats.v3 import stats_pb2
from xds.api.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from xds.api.envoy.type.matcher.v3.metadata_pb2 import MetadataMatcher
from xds.api.envoy.type.matcher.v3.value_pb2 import ValueMatcher
from xds.model.seen import MAX_CALLERS, METHODS, OTHER_METHOD, SEEN_PLAINTEXT, SEEN_PROVEN
from xds.translators.authorization.authorizer import HTTP_RBAC, NETWORK_RBAC
from xds.translators.authorization.envoy import DRY_RUN_ALLOW, DRY_RUN_DENY
from xds.translators.log_conditions import BEGIN, END, WHILE, all_of, any_of, at, cel, flagged, logger
from xds.view.names import CONTROL_PLANE
from xds.view.specs.listeners import Guard

REFUSALS: Final = "refusals"
COMMON: Final = "envoy.common"
AUDIT_HINT: Final = "access_log_hint"  # what a LOG policy sets when it matches

_DENIED: Final = ValueMatcher(string_match={"exact": "denied"})
_TRUE: Final = ValueMatcher(bool_match=True)
# What Envoy says in %RESPONSE_CODE_DETAILS% when one of our filters answers; by experiment with 1.40.
_HTTP_REFUSED: Final = " || ".join(
    f"response.code_details.startsWith('{words}')"
    for words in ("rbac_access_denied", "jwt_authn_access_denied", "ext_authz_")
)
_TCP_REFUSED: Final = "connection.termination_details.startsWith('rbac_access_denied')"
# "TLS_error|" is what tls_inspector leaves of plaintext that then passes; an ordinary reset by a peer is an error of
# the system's library, not of TLS.
HANDSHAKE_ERROR: Final = "TLS_error:|"
HANDSHAKE_LIBRARY: Final = "SSL routines"
_HANDSHAKE_FAILED: Final = " && ".join(
    (
        f"connection.transport_failure_reason.startsWith('{HANDSHAKE_ERROR}')",
        f"connection.transport_failure_reason.contains('{HANDSHAKE_LIBRARY}')",
    )
)
# A certificate that was shown is one that was believed only when the handshake has not failed.
_TCP_PASSED: Final = " && ".join(
    (
        "connection.mtls",
        f"!(has(connection.transport_failure_reason) && {_HANDSHAKE_FAILED})",
        f"!(has(connection.termination_details) && {_TCP_REFUSED})",
    )
)
_KNOWN_METHOD: Final = f"request.method in [{', '.join(repr(method) for method in METHODS)}]"


_PEER: Final = ("peer", "%DOWNSTREAM_PEER_URI_SAN%")
_SOURCE: Final = ("source", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%")
_PORT: Final = ("port", "%DOWNSTREAM_LOCAL_PORT%")


@cache
def http_loggers(guard: Guard) -> tuple[AccessLog, ...]:
    """The loggers of an HTTP chain."""
    refusals = HttpGrpcAccessLogConfig(common_config=_to_control_plane())
    told = any_of(cel(_HTTP_REFUSED), *_marked(HTTP_RBAC))
    if guard.plaintext:
        return (logger(REFUSALS, refusals, told), _counter(SEEN_PLAINTEXT, "requests", (_SOURCE, _PORT)))
    # Over HTTP/2 callers may invent methods; these share one counter.
    known, other = cel(f"!({_HTTP_REFUSED}) && {_KNOWN_METHOD}"), cel(f"!({_HTTP_REFUSED}) && !({_KNOWN_METHOD})")
    return (
        logger(REFUSALS, refusals, told),
        _counter(SEEN_PROVEN, "requests", (_PEER, _PORT, ("method", "%REQ(:METHOD)%")), known),
        _counter(SEEN_PROVEN, "requests", (_PEER, _PORT, ("method", OTHER_METHOD)), other),
    )


@cache
def tcp_loggers(guard: Guard) -> tuple[AccessLog, ...]:
    """The loggers of a TCP chain, to be run when ``tcp_options`` says.

    In plaintext a connection counts when it is made. Who a caller has proven to be, and that nothing has refused it,
    is known later: such a connection counts when it has ended, and as open once a minute before.
    """
    # UAEX: the external authorizer has refused it.
    told = all_of(at(END), any_of(cel(_TCP_REFUSED), flagged("UAEX"), *_marked(NETWORK_RBAC)))
    refusals = logger(REFUSALS, TcpGrpcAccessLogConfig(common_config=_to_control_plane()), told)
    if guard.plaintext:
        return (refusals, _counter(SEEN_PLAINTEXT, "connections", (_SOURCE, _PORT), at(BEGIN)))
    return (
        refusals,
        _counter(SEEN_PROVEN, "open", (_PEER, _PORT), all_of(at(WHILE), cel(_TCP_PASSED))),
        _counter(SEEN_PROVEN, "connections", (_PEER, _PORT), all_of(at(END), cel(_TCP_PASSED))),
    )


@cache
def tcp_options(guard: Guard | None) -> TcpProxy.TcpAccessLogOptions:
    """When the loggers of a TCP chain run, beside the end of a connection."""
    message = TcpProxy.TcpAccessLogOptions(flush_access_log_on_connected=True)
    if guard is not None and not guard.plaintext:
        message.access_log_flush_interval.seconds = 60
    return message


@cache
def listener_loggers() -> tuple[AccessLog, ...]:
    """The loggers of the inbound listener: only there connections are seen whose handshake fails.

    And those that a chain ends without asking anybody (no healthy host, for its cluster has none): TLS that is not the
    mesh's, and connections to the listener's own port.
    """
    refusals = TcpGrpcAccessLogConfig(common_config=_to_control_plane())
    return (logger(REFUSALS, refusals, any_of(cel(_HANDSHAKE_FAILED), flagged("UH"))),)


def _to_control_plane() -> CommonGrpcAccessLogConfig:
    message = CommonGrpcAccessLogConfig(log_name=REFUSALS, transport_api_version=ApiVersion.V3)
    message.grpc_service.envoy_grpc.cluster_name = CONTROL_PLANE
    message.buffer_flush_interval.seconds = 1
    return message


def _counter(
    scope: str, what: str, tags: tuple[tuple[str, str], ...], condition: AccessLogFilter | None = None
) -> AccessLog:
    """A logger that counts. All of a scope share its bound: beyond it new callers are in the untagged total only."""
    config = stats_pb2.Config()
    config.stats_scope.prefix = scope
    config.stats_scope.sharing_name = scope
    config.stats_scope.max_counters.value = MAX_CALLERS
    for untagged in (True, False):
        counter = config.counters.add()
        counter.stat.name = f"all_{what}" if untagged else what
        counter.value_fixed.value = 1
        if not untagged:
            counter.stat.tags.extend(stats_pb2.Config.Tag(name=name, value_format=value) for name, value in tags)
    return logger(scope, config, condition)


def _marked(rbac: str) -> tuple[AccessLogFilter, ...]:
    """What a dry run would have refused, and what an AUDIT policy has marked."""
    keys: Mapping[tuple[str, str], ValueMatcher] = {
        (rbac, f"{DRY_RUN_DENY}shadow_engine_result"): _DENIED,
        (rbac, f"{DRY_RUN_ALLOW}shadow_engine_result"): _DENIED,
        (COMMON, AUDIT_HINT): _TRUE,
    }
    return tuple(_metadata(filter_name, key, value) for (filter_name, key), value in keys.items())


def _metadata(filter_name: str, key: str, value: ValueMatcher) -> AccessLogFilter:
    matcher = MetadataMatcher(filter=filter_name, path=[MetadataMatcher.PathSegment(key=key)], value=value)
    message = AccessLogFilter(metadata_filter=MetadataFilter(matcher=matcher))
    message.metadata_filter.match_if_key_not_found.value = False
    return message
