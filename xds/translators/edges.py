"""What gateways have that sidecars have not: what is believed of clients, limits for them, PROXY protocol, HTTP/3.

Source: Envoy's documentation, "Configuring Envoy as an edge proxy"; istio-semantics 1.3.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.any_pb2 import Any as AnyMessage

from xds.api.envoy.config.core.v3.address_pb2 import SocketAddress
from xds.api.envoy.config.listener.v3.listener_components_pb2 import FilterChain
from xds.api.envoy.config.listener.v3.listener_pb2 import Listener
from xds.api.envoy.extensions.filters.listener.proxy_protocol.v3.proxy_protocol_pb2 import ProxyProtocol
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from xds.api.envoy.extensions.transport_sockets.quic.v3.quic_transport_pb2 import QuicDownstreamTransport
from xds.api.envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext
from xds.view.specs.listeners import Edge, ListenerSpec
from xds.wire.codec import pack

_PROXY_PROTOCOL: Final = "envoy.filters.listener.proxy_protocol"
_QUIC: Final = "envoy.transport_sockets.quic"
_HEADERS_TIMEOUT_S: Final = 15  # a client that dawdles over its headers holds a stream, and no more
_IDLE_S: Final = 3600
_STREAMS: Final = 100
_STREAM_WINDOW_BYTES: Final = 256 * 1024
_CONNECTION_WINDOW_BYTES: Final = 1024 * 1024
_DETAILED: Final = ("SANITIZE_SET", "APPEND_FORWARD")


def spell_manager(edge: Edge, into: HttpConnectionManager) -> None:
    """Set what HTTP with clients needs: their real address, who they have proven to be, and limits."""
    into.use_remote_address.value = True
    into.xff_num_trusted_hops = edge.trusted_proxies
    into.forward_client_cert_details = getattr(HttpConnectionManager, edge.client_certificate)
    into.ClearField("set_current_client_cert_details")
    if edge.client_certificate in _DETAILED:
        details = into.set_current_client_cert_details
        details.subject.value = True
        details.cert = details.dns = details.uri = True
    into.request_headers_timeout.seconds = _HEADERS_TIMEOUT_S
    into.common_http_protocol_options.idle_timeout.seconds = _IDLE_S
    into.http2_protocol_options.max_concurrent_streams.value = _STREAMS
    into.http2_protocol_options.initial_stream_window_size.value = _STREAM_WINDOW_BYTES
    into.http2_protocol_options.initial_connection_window_size.value = _CONNECTION_WINDOW_BYTES


def spell_listener(spec: ListenerSpec, into: Listener) -> None:
    """Set what a gateway's listener has beside its chains."""
    if spec.proxy_protocol:
        into.listener_filters.add(name=_PROXY_PROTOCOL, typed_config=pack(ProxyProtocol()))
        filters = list(into.listener_filters)
        del into.listener_filters[:]
        into.listener_filters.extend([filters[-1], *filters[:-1]])  # the header is the first that comes
    if spec.quic:
        into.ClearField("listener_filters_timeout")
        into.continue_on_listener_filters_timeout = False
        into.ClearField("max_connections_to_accept_per_socket_event")
        for address in (into.address, *(each.address for each in into.additional_addresses)):
            address.socket_address.protocol = SocketAddress.UDP
        into.udp_listener_config.quic_options.SetInParent()
        into.udp_listener_config.downstream_socket_config.prefer_gro.value = True


def over_quic(chain: FilterChain) -> None:
    """Turn a chain for TLS over TCP into the same over QUIC, in place."""
    context = DownstreamTlsContext()
    chain.transport_socket.typed_config.Unpack(context)
    context.common_tls_context.ClearField("alpn_protocols")  # h3, which Envoy knows
    socket = QuicDownstreamTransport(downstream_tls_context=context)
    chain.transport_socket.name = _QUIC
    chain.transport_socket.typed_config.CopyFrom(pack(socket))
    if chain.filter_chain_match.transport_protocol:
        chain.filter_chain_match.transport_protocol = ""
    last = chain.filters[-1]
    last.typed_config.CopyFrom(_http3(last.typed_config))


def _http3(config: AnyMessage) -> AnyMessage:
    manager = HttpConnectionManager()
    config.Unpack(manager)
    manager.codec_type = HttpConnectionManager.HTTP3
    manager.http3_protocol_options.SetInParent()
    manager.ClearField("upgrade_configs")
    return pack(manager)
