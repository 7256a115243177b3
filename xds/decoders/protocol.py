"""Protocol selection: what a service's port speaks, from what is declared about it."""

from __future__ import annotations

from xds.model.service import Protocol

_KNOWN = {
    "http": Protocol.HTTP,
    "http2": Protocol.HTTP2,
    "grpc": Protocol.GRPC,
    "grpc-web": Protocol.GRPC_WEB,
    "https": Protocol.HTTPS,
    "tls": Protocol.TLS,
    "tcp": Protocol.TCP,
    # Opaque to the mesh: their own filters are not in stock Envoy, or are off by default in Istio.
    "mongo": Protocol.TCP,
    "mysql": Protocol.TCP,
    "redis": Protocol.TCP,
    "hbone": Protocol.TCP,
    "http_proxy": Protocol.HTTP,
}
_APP_PROTOCOLS = {
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
}
# On these the server speaks first, so that a proxy that waits for the client's first bytes waits for ever.
_SERVER_FIRST = frozenset({25, 53, 3306, 27017})


def named(word: str) -> Protocol | None:
    """The protocol that a word such as ``GRPC`` names; None when it names none."""
    return _KNOWN.get(word.lower())


def select(number: int, name: str, app_protocol: str | None) -> Protocol:
    """The protocol of a port: ``appProtocol``, else its name up to the first dash, else by number, else sniffed.

    Source: istio-semantics 2.4.
    """
    if app_protocol:
        known = _APP_PROTOCOLS.get(app_protocol.lower()) or named(app_protocol)
        if known is not None:
            return known
    lower = name.lower()
    word = "grpc-web" if lower == "grpc-web" or lower.startswith("grpc-web-") else lower.partition("-")[0]
    known = named(word)
    if known is not None:
        return known
    return Protocol.TCP if number in _SERVER_FIRST else Protocol.AUTO
