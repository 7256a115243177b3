"""Tunnels in Envoy's words."""

from __future__ import annotations

from xds.api.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from xds.translators.tunneling.policy import Tunnel


def tcp_proxy(tunnel: Tunnel) -> TcpProxy:
    """The TcpProxy fragment: ``tunneling_config``."""
    host = f"[{tunnel.host}]" if ":" in tunnel.host else tunnel.host
    return TcpProxy(tunneling_config=TcpProxy.TunnelingConfig(hostname=f"{host}:{tunnel.port}", use_post=tunnel.post))
