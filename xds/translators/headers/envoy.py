"""Header edits in Envoy's words."""

from __future__ import annotations

from collections.abc import Iterator

from xds.api.envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from xds.api.envoy.config.route.v3.route_components_pb2 import Route, WeightedCluster
from xds.translators.headers.policy import Edits, HeaderOperations


def route(operations: HeaderOperations) -> Route:
    """The Route fragment: the four lists of header edits."""
    return Route(
        request_headers_to_add=_added(operations.request),
        request_headers_to_remove=operations.request.remove,
        response_headers_to_add=_added(operations.response),
        response_headers_to_remove=operations.response.remove,
    )


def weighted_cluster(operations: HeaderOperations) -> WeightedCluster.ClusterWeight:
    """The ClusterWeight fragment: the same four lists, for one share of a route."""
    return WeightedCluster.ClusterWeight(
        request_headers_to_add=_added(operations.request),
        request_headers_to_remove=operations.request.remove,
        response_headers_to_add=_added(operations.response),
        response_headers_to_remove=operations.response.remove,
    )


def _added(edits: Edits) -> Iterator[HeaderValueOption]:
    for name, value in edits.replace:
        yield HeaderValueOption(
            header=HeaderValue(key=name, value=value), append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        )
    for name, value in edits.add:
        # Envoy's default action, APPEND_IF_EXISTS_OR_ADD.
        yield HeaderValueOption(header=HeaderValue(key=name, value=value))
