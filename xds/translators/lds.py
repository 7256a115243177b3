"""Listeners: the frozen skeleton. What changes often is only referred to, so that no edit drains a listener."""

from __future__ import annotations

from functools import cache
from typing import Final

from xds.api.envoy.config.core.v3.address_pb2 import CidrRange, SocketAddress
from xds.api.envoy.config.core.v3.base_pb2 import TrafficDirection
from xds.api.envoy.config.listener.v3.listener_components_pb2 import (
    Filter,
    FilterChain,
    ListenerFilterChainMatchPredicate,
)
from xds.api.envoy.config.listener.v3.listener_pb2 import Listener
from xds.api.envoy.extensions.filters.common.set_filter_state.v3.value_pb2 import FilterStateValue
from xds.api.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from xds.api.envoy.extensions.filters.listener.http_inspector.v3.http_inspector_pb2 import HttpInspector
from xds.api.envoy.extensions.filters.listener.original_dst.v3.original_dst_pb2 import OriginalDst
from xds.api.envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2 import TlsInspector
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from xds.api.envoy.extensions.filters.network.set_filter_state.v3.set_filter_state_pb2 import Config as SetFilterState
from xds.api.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from xds.model.mesh import Paths
from xds.translators import access_logs, slots
from xds.translators.config_source import over_ads
from xds.translators.merge import merge
from xds.translators.mesh_tls import server_socket
from xds.translators.rds import route_configuration
from xds.translators.registry import features
from xds.view.specs import Chain, ChainMatch, Guard, HttpChain, ListenerSpec, Sniff, TcpChain
from xds.wire.codec import duration, pack

HttpConnectionManager = http_connection_manager_pb2.HttpConnectionManager
HttpFilter = http_connection_manager_pb2.HttpFilter

_HCM: Final = "envoy.filters.network.http_connection_manager"
_TCP_PROXY: Final = "envoy.filters.network.tcp_proxy"
_ROUTER: Final = "envoy.filters.http.router"
_ORIGINAL_DST: Final = "envoy.filters.listener.original_dst"
_TLS_INSPECTOR: Final = "envoy.filters.listener.tls_inspector"
_SET_FILTER_STATE: Final = "envoy.filters.network.set_filter_state"
_HTTP_INSPECTOR: Final = "envoy.filters.listener.http_inspector"


def listener(spec: ListenerSpec) -> Listener:
    """The Listener of ``spec``; chains in the spec's order, the fallback as ``default_filter_chain``."""
    message = Listener(name=spec.name)
    _spell_address(spec.address, spec.port, message.address.socket_address)
    for address in spec.additional_addresses:
        _spell_address(address, spec.port, message.additional_addresses.add().address.socket_address)
    message.traffic_direction = TrafficDirection.OUTBOUND if spec.outbound else TrafficDirection.INBOUND
    if not spec.bind:
        message.bind_to_port.value = False
    if spec.outbound and spec.original_destination:
        message.use_original_dst.value = True
    _spell_listener_filters(spec, message)
    message.listener_filters_timeout.CopyFrom(duration(spec.sniff_timeout))
    message.continue_on_listener_filters_timeout = True
    message.max_connections_to_accept_per_socket_event.value = 1
    for chain in spec.chains:
        _spell_chain(chain, message.filter_chains.add())
    if spec.fallback is not None:
        _spell_content(spec.fallback, message.default_filter_chain)
    if any(chain.guard is not None for chain in spec.chains):
        message.access_log.extend(access_logs.listener_loggers())
    return message


def _spell_address(address: str, port: int, into: SocketAddress) -> None:
    into.address = address
    into.port_value = port


def _spell_listener_filters(spec: ListenerSpec, message: Listener) -> None:
    if spec.original_destination and not spec.outbound:
        message.listener_filters.add(name=_ORIGINAL_DST, typed_config=pack(OriginalDst()))
    if spec.sniff in (Sniff.TLS, Sniff.BOTH):
        inspector = message.listener_filters.add(name=_TLS_INSPECTOR, typed_config=pack(TlsInspector()))
        if spec.sniffed_ports:
            inspector.filter_disabled.not_match.CopyFrom(_on_ports(spec.sniffed_ports))
    if spec.sniff in (Sniff.HTTP, Sniff.BOTH):
        inspector = message.listener_filters.add(name=_HTTP_INSPECTOR, typed_config=pack(HttpInspector()))
        if spec.http_sniffed_ports:
            inspector.filter_disabled.not_match.CopyFrom(_on_ports(spec.http_sniffed_ports))


def _on_ports(ports: tuple[int, ...]) -> ListenerFilterChainMatchPredicate:
    # An or_match wants two rules at least.
    rules = []
    for first, last in _runs(ports):
        rule = ListenerFilterChainMatchPredicate()
        rule.destination_port_range.start = first
        rule.destination_port_range.end = last + 1
        rules.append(rule)
    if len(rules) == 1:
        return rules[0]
    message = ListenerFilterChainMatchPredicate()
    message.or_match.rules.extend(rules)
    return message


def _runs(ports: tuple[int, ...]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for port in sorted(set(ports)):
        if runs and runs[-1][1] == port - 1:
            runs[-1] = (runs[-1][0], port)
        else:
            runs.append((port, port))
    return runs


def _spell_chain(chain: Chain, into: FilterChain) -> None:
    if chain.match != ChainMatch():
        _spell_match(chain.match, into)
    _spell_content(chain, into)


def _spell_match(match: ChainMatch, into: FilterChain) -> None:
    message = into.filter_chain_match
    if match.destination_port:
        message.destination_port.value = match.destination_port
    message.prefix_ranges.extend(_range(prefix) for prefix in match.prefixes)
    message.server_names.extend(match.server_names)
    message.transport_protocol = match.transport
    message.application_protocols.extend(match.application_protocols)


def _range(prefix: str) -> CidrRange:
    address, _, length = prefix.partition("/")
    message = CidrRange(address_prefix=address)
    message.prefix_len.value = int(length) if length else (128 if ":" in address else 32)
    return message


def _spell_content(chain: Chain, into: FilterChain) -> None:
    into.name = chain.name
    if chain.tls is not None:
        into.transport_socket.CopyFrom(server_socket(chain.tls))
    if isinstance(chain.content, HttpChain):
        manager = _http_connection_manager(chain.content, chain.guard)
        into.filters.append(Filter(name=_HCM, typed_config=pack(manager)))
        return
    if chain.guard is not None:
        into.filters.extend(slots.network_filters())
    if chain.content.alpn:
        into.filters.append(_offering(chain.content.alpn))
    into.filters.append(Filter(name=_TCP_PROXY, typed_config=pack(_tcp_proxy(chain.content, chain.guard))))


def _offering(alpn: tuple[str, ...]) -> Filter:
    """The filter that has the upstream's TLS offer these protocols instead of its cluster's."""
    value = FilterStateValue(
        object_key="envoy.network.application_protocols", shared_with_upstream=FilterStateValue.ONCE
    )
    value.format_string.text_format_source.inline_string = ",".join(alpn)
    return Filter(name=_SET_FILTER_STATE, typed_config=pack(SetFilterState(on_new_connection=[value])))


def _http_connection_manager(chain: HttpChain, guard: Guard | None) -> HttpConnectionManager:
    """HTTP as Istio's sidecars speak it: no idle timeout of streams, websockets, paths normalised before matching."""
    message = HttpConnectionManager(stat_prefix=chain.stat_prefix, proxy_100_continue=True)
    if chain.inline is not None:
        message.route_config.CopyFrom(route_configuration(chain.inline))
    else:
        message.rds.route_config_name = chain.route_table
        over_ads(message.rds.config_source)
    if guard is not None:
        message.http_filters.extend(slots.http_filters())
        message.access_log.extend(access_logs.http_loggers(guard))
    message.http_filters.extend(_http_filters())
    message.upgrade_configs.add(upgrade_type="websocket")
    message.stream_idle_timeout.SetInParent()
    message.normalize_path.value = chain.paths is not Paths.NONE
    message.merge_slashes = chain.paths in (Paths.MERGE_SLASHES, Paths.DECODE_AND_MERGE_SLASHES)
    if chain.paths is Paths.DECODE_AND_MERGE_SLASHES:
        message.path_with_escaped_slashes_action = HttpConnectionManager.UNESCAPE_AND_FORWARD
    message.use_remote_address.value = False
    if not chain.outbound:
        message.server_header_transformation = HttpConnectionManager.PASS_THROUGH
    if guard is not None and not guard.plaintext:  # elsewhere Envoy drops the header, whoever sent it
        message.forward_client_cert_details = HttpConnectionManager.APPEND_FORWARD
        message.set_current_client_cert_details.subject.value = True
        message.set_current_client_cert_details.dns = True
        message.set_current_client_cert_details.uri = True
    return message


@cache
def _http_filters() -> tuple[HttpFilter, ...]:
    """The filters of every HTTP chain, in the order of their phases; equal phases by name."""
    found = sorted(
        (each.http_filter for each in features() if each.http_filter is not None),
        key=lambda http_filter: (http_filter.phase, http_filter.name),
    )
    return (
        *(HttpFilter(name=each.name, typed_config=pack(each.config())) for each in found),
        HttpFilter(name=_ROUTER, typed_config=pack(Router())),
    )


def _tcp_proxy(chain: TcpChain, guard: Guard | None) -> TcpProxy:
    message = TcpProxy(stat_prefix=chain.stat_prefix)
    if guard is not None:
        message.access_log.extend(access_logs.tcp_loggers(guard))
        message.access_log_options.CopyFrom(access_logs.tcp_options(guard))
    shares = [share for share in chain.clusters if share.weight] or list(chain.clusters[:1])
    if len(shares) == 1:
        message.cluster = shares[0].cluster
    else:
        for share in shares:
            message.weighted_clusters.clusters.add(name=share.cluster, weight=share.weight)
    for feature in features():
        policy = chain.policies.get(feature.policy)
        if policy is not None and feature.tcp_proxy is not None:
            merge(message, feature.tcp_proxy(policy))
    return message
