"""Where Envoy is to ask for what is named: over the stream that it has (ADS)."""

from __future__ import annotations

from xds.api.envoy.config.core.v3.config_source_pb2 import ApiVersion, ConfigSource


def over_ads(into: ConfigSource) -> None:
    """Make ``into`` the proxy's own stream. Envoy's own fetch timeout of 15 s stays."""
    into.ads.SetInParent()
    into.resource_api_version = ApiVersion.V3
