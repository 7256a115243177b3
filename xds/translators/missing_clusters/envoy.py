"""Answers for clusters that do not exist, in Envoy's words."""

from __future__ import annotations

from typing import Final

from xds.api.envoy.config.route.v3.route_components_pb2 import RouteAction
from xds.translators.missing_clusters.policy import MissingCluster

_CODE: Final = {
    404: RouteAction.NOT_FOUND,
    500: RouteAction.INTERNAL_SERVER_ERROR,
    503: RouteAction.SERVICE_UNAVAILABLE,
}


def route_action(missing: MissingCluster) -> RouteAction:
    """The RouteAction fragment: ``cluster_not_found_response_code``."""
    return RouteAction(cluster_not_found_response_code=_CODE[missing.status])
