"""Protocol selection, after Istio's table."""

from __future__ import annotations

import pytest

from xds.decoders.protocol import select
from xds.model.service import Protocol


@pytest.mark.parametrize(
    ("number", "name", "app_protocol", "expected"),
    [
        (80, "http", None, Protocol.HTTP),
        (80, "http-web", None, Protocol.HTTP),
        (80, "HTTP2-x", None, Protocol.HTTP2),
        (80, "grpc-web", None, Protocol.GRPC_WEB),
        (80, "grpc-web-x", None, Protocol.GRPC_WEB),
        (80, "grpc-x", None, Protocol.GRPC),
        (443, "https", None, Protocol.HTTPS),
        (6379, "redis", None, Protocol.TCP),
        (80, "tcp", "grpc", Protocol.GRPC),
        (80, "tcp", "kubernetes.io/h2c", Protocol.HTTP2),
        (80, "http", "kubernetes.io/wss", Protocol.HTTPS),
        (80, "http", "example.com/own", Protocol.HTTP),
        (80, "httpx", None, Protocol.AUTO),
        (80, "", None, Protocol.AUTO),
        (3306, "", None, Protocol.TCP),
        (25, "mail", None, Protocol.TCP),
    ],
)
def test_select(number: int, name: str, app_protocol: str | None, expected: Protocol) -> None:
    assert select(number, name, app_protocol) is expected
