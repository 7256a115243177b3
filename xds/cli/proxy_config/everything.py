"""``plait proxy-config all``: all tables at once."""

from __future__ import annotations

from datetime import UTC, datetime

from xds.cli.proxy_config.clusters import ClusterFilter, clusters
from xds.cli.proxy_config.endpoints import EndpointFilter, endpoints
from xds.cli.proxy_config.extensions import extensions
from xds.cli.proxy_config.listeners import ListenerFilter, listeners
from xds.cli.proxy_config.routes import RouteFilter, routes
from xds.cli.proxy_config.secrets import secrets
from xds.cli.proxy_config.source import From, read
from xds.cli.proxy_config.view import show_all


def command(proxy: From) -> None:
    """Everything a proxy has."""
    config = read(proxy)
    views = {
        "clusters": clusters(config, ClusterFilter()),
        "listeners": listeners(config, ListenerFilter()),
        "routes": routes(config, RouteFilter()),
        "endpoints": endpoints(config, EndpointFilter()),
        "secrets": secrets(config, datetime.now(UTC)),
        "ecds": extensions(config),
    }
    show_all(views, proxy.output)
