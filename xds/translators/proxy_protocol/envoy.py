"""The PROXY protocol in Envoy's words."""

from __future__ import annotations

from typing import Final

from xds.api.envoy.config.core.v3.base_pb2 import TransportSocket
from xds.api.envoy.config.core.v3.proxy_protocol_pb2 import ProxyProtocolConfig
from xds.api.envoy.extensions.transport_sockets.proxy_protocol.v3.upstream_proxy_protocol_pb2 import (
    ProxyProtocolUpstreamTransport,
)
from xds.translators.proxy_protocol.policy import ProxyProtocol, Version
from xds.wire.codec import pack

_VERSION: Final = {Version.V1: ProxyProtocolConfig.V1, Version.V2: ProxyProtocolConfig.V2}


def transport_socket(policy: ProxyProtocol, inner: TransportSocket) -> TransportSocket:
    """The socket that sends the header, then speaks as ``inner`` does."""
    around = ProxyProtocolUpstreamTransport(
        config=ProxyProtocolConfig(version=_VERSION[policy.version]), transport_socket=inner
    )
    return TransportSocket(name="envoy.transport_sockets.upstream_proxy_protocol", typed_config=pack(around))
