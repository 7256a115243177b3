"""CORS in Envoy's words."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from xds.api.envoy.config.route.v3.route_components_pb2 import Route
from xds.api.envoy.extensions.filters.http.cors.v3 import cors_pb2
from xds.translators.cors.policy import Cors
from xds.translators.string_matchers import string_matcher
from xds.wire.codec import boolean, pack

FILTER: Final = "envoy.filters.http.cors"


def filter_config() -> cors_pb2.Cors:
    """The filter as it stands in every chain: it lets everything pass."""
    return cors_pb2.Cors()


def route(cors: Cors) -> Route:
    """The Route fragment: the CORS filter's ``typed_per_filter_config``."""
    config = cors_pb2.CorsPolicy(
        allow_origin_string_match=[string_matcher(origin) for origin in cors.origins],
        allow_methods=",".join(cors.methods),
        allow_headers=",".join(cors.headers),
        expose_headers=",".join(cors.exposed),
        forward_not_matching_preflights=boolean(cors.forward_unmatched),
    )
    config.filter_enabled.default_value.numerator = 100
    if cors.max_age is not None:
        config.max_age = str(cors.max_age // timedelta(seconds=1))
    if cors.credentials is not None:
        config.allow_credentials.CopyFrom(boolean(cors.credentials))
    message = Route()
    message.typed_per_filter_config[FILTER].CopyFrom(pack(config))
    return message
