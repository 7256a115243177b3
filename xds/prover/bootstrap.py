"""The bootstrap of a prover: no admin port, no statistics, nothing bound, configuration over one socket."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]

SLOT: Final = "plait-proof-routes"
"""The name of the route configuration that candidates are put into."""

_TYPES: Final = "type.googleapis.com/"
_HTTP2: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_MANAGER: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_AT_ONCE: Final[Json] = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}}
_WATCHDOG: Final[Json] = {"miss_timeout": "1s", "megamiss_timeout": "2s", "kill_timeout": "4s"}
"""Longer than what the asking side grants to a candidate: it ends those that nobody else can end."""
_ADS: Final[Json] = {"ads": {}, "resource_api_version": "V3"}


def bootstrap(socket: Path) -> Json:
    """The bootstrap of an Envoy that is told what to look at over ``socket``, where its server is listening."""
    return {
        "node": {"id": "plait-prover", "cluster": "plait-prover"},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "plait-prover-xds", "retry_policy": _AT_ONCE}}],
            },
            "cds_config": _ADS,
            "lds_config": _ADS,
        },
        "static_resources": {"clusters": [_control_plane(socket)], "listeners": [_slots()]},
        # What a candidate counts nobody reads, and thousands come and go.
        "stats_config": {"stats_matcher": {"reject_all": True}},
        "stats_flush_interval": "60s",
        "watchdogs": {"main_thread_watchdog": _WATCHDOG, "worker_watchdog": _WATCHDOG},
    }


def _control_plane(socket: Path) -> Json:
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(socket)}}}}
    return {
        "name": "plait-prover-xds",
        "type": "STATIC",
        "connect_timeout": "2s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _TYPES + _HTTP2,
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {"cluster_name": "plait-prover-xds", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _slots() -> Json:
    """What subscribes to the route configurations that candidates are put into: what nobody wants is ACKed unread."""
    manager = {
        "@type": _TYPES + _MANAGER,
        "stat_prefix": SLOT,
        "rds": {"route_config_name": SLOT, "config_source": _ADS},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": _TYPES + "envoy.extensions.filters.http.router.v3.Router"}}
        ],
    }
    return {
        "name": SLOT,
        "bind_to_port": False,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
