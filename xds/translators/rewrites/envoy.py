"""Rewrites in Envoy's words."""

from __future__ import annotations

from xds.api.envoy.config.route.v3.route_components_pb2 import RouteAction, WeightedCluster
from xds.api.envoy.type.matcher.v3.regex_pb2 import RegexMatchAndSubstitute, RegexMatcher
from xds.translators.rewrites.policy import HostRewrite, PathRewrite


def path(rewrite: PathRewrite) -> RouteAction:
    """The RouteAction fragment: ``regex_rewrite``, or ``prefix_rewrite``."""
    if rewrite.regex:
        pattern = RegexMatcher(regex=rewrite.regex)
        found = RegexMatchAndSubstitute(pattern=pattern, substitution=rewrite.substitution)
        return RouteAction(regex_rewrite=found)
    return RouteAction(prefix_rewrite=rewrite.prefix)


def host(rewrite: HostRewrite) -> RouteAction:
    """The RouteAction fragment: ``host_rewrite_literal``."""
    return RouteAction(host_rewrite_literal=rewrite.authority)


def host_of_share(rewrite: HostRewrite) -> WeightedCluster.ClusterWeight:
    """The ClusterWeight fragment: ``host_rewrite_literal``, which wins over the route's."""
    return WeightedCluster.ClusterWeight(host_rewrite_literal=rewrite.authority)
