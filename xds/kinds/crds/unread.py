"""Istio's kinds that this version does not read: an API server takes them, so that manifests apply unchanged."""

from __future__ import annotations

from typing import Final

from xds.kinds.authored import Kind

_NETWORKING: Final = "networking.istio.io"
_EXTENSIONS: Final = "extensions.istio.io"

UNREAD: Final = (
    Kind(_EXTENSIONS, "TrafficExtension", ("v1alpha1",), "trafficextensions"),
    Kind(_EXTENSIONS, "WasmPlugin", ("v1alpha1",), "wasmplugins"),
    Kind(_NETWORKING, "ProxyConfig", ("v1beta1",), "proxyconfigs"),
)
"""Sorted by group and kind. One that has a struct meanwhile is taken from there."""
