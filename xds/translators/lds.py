"""Listeners: the frozen skeleton. What changes often is only referred to, so that no edit drains a listener."""

from __future__ import annotations

from functools import cache
from typing import Final

from xds.api.envoy.config.core.v3.address_pb2 import CidrRange, SocketAddress
from xds.api.envoy.config.core.v3.base_pb2 import TrafficDirection
from xds.api.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from xds.api.envoy.config.listener.v3.listener_components_pb2 import (
    Filter,
    FilterChain,
    ListenerFilterChainMatchPredicate,
)
from xds.api.envoy.config.listener.v3.listener_pb2 import Listener
from xds.api.envoy.extensions.filters.http.on_demand.v3.on_demand_pb2 import OnDemand
from xds.api.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from xds.api.envoy.extensions.filters.listener.http_inspector.v3.http_inspector_pb2 import HttpInspector
from xds.api.envoy.extensions.filters.listener.original_dst.v3.original_dst_pb2 import OriginalDst
from xds.api.envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2 import TlsInspector
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from xds.model.mesh import Paths
from xds.translators import (
    access_logs,
    connections,
    dynamic_forward_proxy,
    edges,
    frontends,
    request_logs,
    slots,
    standard_metrics,
    told_metrics,
    tracing,
)
from xds.translators.config_source import over_ads
from xds.translators.edge_tls import edge_socket
from xds.translators.mesh_tls import server_socket
from xds.translators.registry import features
from xds.translators.standard_metrics import Reporter
from xds.view.specs.listeners import Chain, ChainMatch, EdgeSocket, FoundChain, Guard, HttpChain, ListenerSpec, Sniff
from xds.view.specs.observed import Observed
from xds.wire.codec import duration, pack

HttpConnectionManager = http_connection_manager_pb2.HttpConnectionManager
HttpFilter = http_connection_manager_pb2.HttpFilter

_UNIX: Final = "unix://"
_ON_DEMAND: Final = "envoy.filters.http.on_demand"
_HCM: Final = "envoy.filters.network.http_connection_manager"
_ROUTER: Final = "envoy.filters.http.router"
_ORIGINAL_DST: Final = "envoy.filters.listener.original_dst"
_TLS_INSPECTOR: Final = "envoy.filters.listener.tls_inspector"
_EARLY: Final = "envoy.http.early_header_mutation.header_mutation"
_HTTP_INSPECTOR: Final = "envoy.filters.listener.http_inspector"


def listener(spec: ListenerSpec) -> Listener:
    """The Listener of ``spec``; chains in the spec's order, the fallback as ``default_filter_chain``."""
    message = Listener(name=spec.name)
    if spec.address.startswith(_UNIX):
        message.address.pipe.path = spec.address.removeprefix(_UNIX)
    else:
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
    edges.spell_listener(spec, message)
    for chain in spec.chains:
        _spell_chain(chain, message.filter_chains.add(), outbound=spec.outbound, observed=spec.observed)
    if spec.fallback is not None:
        _spell_content(spec.fallback, message.default_filter_chain, outbound=spec.outbound, observed=spec.observed)
    if spec.quic:
        for each in (*message.filter_chains, *([message.default_filter_chain] if spec.fallback is not None else [])):
            edges.over_quic(each)
    # Whichever chains come and go, the last resort has a guard where they have: else the loggers would go with them.
    if any(chain is not None and chain.guard is not None for chain in (*spec.chains, spec.fallback)):
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


def _spell_chain(chain: Chain, into: FilterChain, *, outbound: bool, observed: Observed) -> None:
    if chain.match != ChainMatch():
        _spell_match(chain.match, into)
    _spell_content(chain, into, outbound=outbound, observed=observed)


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


def _spell_content(chain: Chain, into: FilterChain, *, outbound: bool, observed: Observed) -> None:
    into.name = chain.name
    if isinstance(chain.tls, EdgeSocket):
        into.transport_socket.CopyFrom(edge_socket(chain.tls))
    elif chain.tls is not None:
        into.transport_socket.CopyFrom(server_socket(chain.tls))
    if isinstance(chain.content, HttpChain):
        manager = _http_connection_manager(chain.content, chain.guard)
        reporter = standard_metrics.reporter(chain, outbound=outbound)
        manager.access_log.extend(standard_metrics.http_loggers(reporter, observed.counted))
        manager.access_log.extend(told_metrics.http_loggers(reporter))
        _observe(manager, observed, chain.content, outbound=reporter is Reporter.SOURCE)
        into.filters.append(Filter(name=_HCM, typed_config=pack(manager)))
        return
    if isinstance(chain.content, FoundChain):
        if chain.guard is not None:
            into.filters.extend(slots.network_filters())
        into.filters.extend(connections.found(chain.content))
        return
    if chain.guard is not None:
        into.filters.extend(slots.network_filters())
    if chain.content.alpn:
        into.filters.append(connections.offering(chain.content.alpn))
    reporter = standard_metrics.reporter(chain, outbound=outbound)
    into.filters.append(connections.passing(chain.content, chain.guard, reporter, observed))


def _observe(manager: HttpConnectionManager, observed: Observed, chain: HttpChain, *, outbound: bool) -> None:
    manager.access_log.extend(request_logs.http_loggers(observed, outbound=outbound))
    if observed.traced is not None:
        tracing.spell(observed.traced, edge=chain.edge is not None, into=manager)


def _http_connection_manager(chain: HttpChain, guard: Guard | None) -> HttpConnectionManager:
    """HTTP as Istio's sidecars speak it: no idle timeout of streams, websockets, paths normalised before matching."""
    message = HttpConnectionManager(stat_prefix=chain.stat_prefix, proxy_100_continue=True)
    message.rds.route_config_name = chain.route_table
    over_ads(message.rds.config_source)
    if guard is not None:
        message.http_filters.extend(slots.http_filters())
        message.access_log.extend(access_logs.http_loggers(guard))
    if chain.on_demand:  # before all that look at the route
        message.http_filters.append(HttpFilter(name=_ON_DEMAND, typed_config=pack(OnDemand())))
    if chain.frontends:
        message.http_filters.append(frontends.http_filter())
    message.http_filters.extend(_http_filters())
    if chain.outbound:
        message.http_filters.append(dynamic_forward_proxy.http_filter())
        message.early_header_mutation_extensions.extend(_early_headers())
    message.http_filters.append(HttpFilter(name=_ROUTER, typed_config=pack(Router())))
    message.upgrade_configs.add(upgrade_type="websocket")
    message.http_protocol_options.accept_http_10 = True  # else old clients are answered 426
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
    if chain.edge is not None:
        edges.spell_manager(chain.edge, message)
    return message


@cache
def _early_headers() -> tuple[TypedExtensionConfig, ...]:
    """What is done to callers' requests before anything looks at them."""
    stated = (each.early_headers for each in features() if each.early_headers is not None)
    return tuple(TypedExtensionConfig(name=_EARLY, typed_config=pack(edits())) for edits in stated)


@cache
def _http_filters() -> tuple[HttpFilter, ...]:
    """The filters of every HTTP chain, in the order of their phases; equal phases by name."""
    found = sorted(
        (each.http_filter for each in features() if each.http_filter is not None),
        key=lambda http_filter: (http_filter.phase, http_filter.name),
    )
    return tuple(HttpFilter(name=each.name, typed_config=pack(each.config())) for each in found)
