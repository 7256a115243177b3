"""Routes: the assembler of Route, VirtualHost and RouteConfiguration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

from xds.api.envoy.config.core.v3.base_pb2 import HeaderValue
from xds.api.envoy.config.route.v3.route_components_pb2 import (
    HeaderMatcher,
    QueryParameterMatcher,
    Route,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)
from xds.api.envoy.config.route.v3.route_pb2 import RouteConfiguration
from xds.api.envoy.type.v3.percent_pb2 import FractionalPercent
from xds.model.policy import Policies, Policy, Repeating
from xds.model.refs import ObjectRef
from xds.model.route import Comparison, NamedMatch, RequestMatch
from xds.translators import frontends
from xds.translators.config_source import over_ads
from xds.translators.direct_responses.policy import LONGEST_BODY
from xds.translators.merge import merge
from xds.translators.registry import by_policy
from xds.translators.string_matchers import string_matcher
from xds.view.specs.routes import RouteSpec, RouteTable, VirtualHostSpec
from xds.view.specs.routes import WeightedCluster as Share
from xds.wire.codec import boolean, duration, u32

VHDS_TIMEOUT: Final = timedelta(seconds=15)
"""How long a listener waits for its first virtual hosts before it opens without them."""

_TURNS: Final = 1000
_NOWHERE: Final = 503
_MILLION: Final = 1_000_000
_ALTERNATIVE_S: Final = 86_400  # how long clients may keep to HTTP/3


def route_configuration(spec: RouteTable) -> RouteConfiguration:
    """The table, with its inline virtual hosts, and the others by VHDS where the spec says so.

    Clusters may come later than routes: requests for one that is not there yet are answered with 503.
    """
    message = RouteConfiguration(
        name=spec.name,
        virtual_hosts=[virtual_host(each) for each in spec.virtual_hosts],
        validate_clusters=boolean(False),
        ignore_port_in_host_matching=not spec.by_port,
        max_direct_response_body_size_bytes=u32(LONGEST_BODY),
    )
    if spec.by_address:
        message.typed_per_filter_config[frontends.FILTER].CopyFrom(frontends.by_address())
    if spec.http3_port:
        message.response_headers_to_add.add().header.CopyFrom(
            HeaderValue(key="alt-svc", value=f'h3=":{spec.http3_port}"; ma={_ALTERNATIVE_S}')
        )
    if spec.vhds:
        source = message.vhds.config_source
        over_ads(source)
        # Envoy asks for a name once in the life of a VHDS subscription, and makes a new one where its source differs:
        # the table is in force when the first virtual hosts of that are. The first turn is for who has everything.
        different = timedelta(milliseconds=spec.turn % _TURNS)
        source.initial_fetch_timeout.CopyFrom(duration(VHDS_TIMEOUT + different))
    return message


def virtual_host(spec: VirtualHostSpec) -> VirtualHost:
    """The virtual host, its routes in the order in which they are tried."""
    message = VirtualHost(
        name=spec.name, domains=spec.domains, routes=[each for every in spec.routes for each in routes(every)]
    )
    if spec.require_tls:
        message.require_tls = VirtualHost.ALL
    repeating = (policy for each in spec.routes for policy in each.policies.that(Repeating))
    message.include_request_attempt_count = any(policy.counted for policy in repeating)
    return message


def routes(spec: RouteSpec) -> Iterator[Route]:
    """The route; or one a share, where a share has a policy of its own that Envoy cannot make part of a share.

    Those are tried in turn, each for its part of the requests: Envoy takes the same random number for all of them.
    """
    if len(spec.clusters) < 2 or not any(_of_routes(share) for share in spec.clusters):
        yield route(spec)
        return
    total, so_far = sum(share.weight for share in spec.clusters), 0
    for share in spec.clusters:
        so_far += share.weight
        message = route(replace(spec, clusters=(share,)))
        if so_far < total:
            part = message.match.runtime_fraction.default_value
            part.numerator = so_far * _MILLION // total
            part.denominator = FractionalPercent.MILLION
        yield message


def _of_routes(share: Share) -> bool:
    return any(by_policy(type(policy)).weighted_cluster is None for policy in share.policies)


def route(spec: RouteSpec) -> Route:
    """The route: its match, where it leads, and what each policy's feature adds.

    The policies of a cluster are merged over the route's. A route that leads nowhere and that no policy answers is
    answered with 503: Envoy would refuse the whole table for it.
    Errors: KeyError for a policy without a feature, FieldClashError for two features that set one field.
    """
    policies = spec.policies
    message = Route(name=spec.name, match=_match(spec.match), stat_prefix=spec.stat_prefix)
    if len(spec.clusters) == 1:
        policies = spec.clusters[0].policies.over(policies)
        message.route.cluster = spec.clusters[0].cluster
    elif spec.clusters:
        shared = _edited_by_shares(spec)
        policies = Policies(policy for policy in policies if policy not in shared)
        message.route.weighted_clusters.clusters.extend(_share(each, shared) for each in spec.clusters)
    for policy in policies:
        feature = by_policy(type(policy))
        if feature.route is not None:
            merge(message, feature.route(policy))
        if feature.route_action is not None and spec.clusters:
            merge(message.route, feature.route_action(policy))
    if message.WhichOneof("action") is None:
        message.direct_response.status = _NOWHERE
    if spec.operation:
        message.decorator.operation = spec.operation
    if spec.authored is not None and spec.authored.kind == "VirtualService":
        message.metadata.filter_metadata["istio"].update({"config": _path(spec.authored)})
    if spec.frontend:
        message.metadata.filter_metadata[frontends.FILTER].update({frontends.KEY: spec.frontend})
    return message


def _path(ref: ObjectRef) -> str:
    # The form that istioctl and Kiali read.
    return f"/apis/networking.istio.io/v1/namespaces/{ref.namespace}/virtual-service/{ref.name}"


def _edited_by_shares(spec: RouteSpec) -> tuple[Policy, ...]:
    """The route's policies that must stand at its shares: Envoy makes a route's edits after those of the share."""
    kinds = {type(policy) for share in spec.clusters for policy in share.policies}
    found = (policy for policy in spec.policies if type(policy) in kinds)
    return tuple(policy for policy in found if by_policy(type(policy)).route_action is None)


def _share(spec: Share, of_route: tuple[Policy, ...]) -> WeightedCluster.ClusterWeight:
    message = WeightedCluster.ClusterWeight(name=spec.cluster, weight=u32(spec.weight))
    for policy in spec.policies.over(Policies(of_route)):
        feature = by_policy(type(policy))
        if feature.weighted_cluster is not None:
            merge(message, feature.weighted_cluster(policy))
    return message


def _match(wanted: RequestMatch) -> RouteMatch:
    message = RouteMatch(
        headers=[_header(each) for each in wanted.headers],
        query_parameters=[_query(each) for each in wanted.queries],
    )
    path = wanted.path
    if path is None or path.comparison is Comparison.PRESENT:
        message.prefix = "/"
    elif path.comparison is Comparison.REGEX:
        message.safe_regex.regex = path.value
        return message
    elif path.comparison is Comparison.EXACT:
        message.path = path.value
    elif path.comparison is Comparison.SEGMENTS:
        message.path_separated_prefix = path.value
    else:
        message.prefix = path.value
    if wanted.ignore_case:
        message.case_sensitive.CopyFrom(boolean(False))
    return message


def _header(wanted: NamedMatch) -> HeaderMatcher:
    if wanted.match.comparison is Comparison.PRESENT:
        return HeaderMatcher(name=wanted.name, present_match=True, invert_match=wanted.invert)
    return HeaderMatcher(
        name=wanted.name,
        string_match=string_matcher(wanted.match),
        invert_match=wanted.invert,
        # A header that is not there is not what it must not be.
        treat_missing_header_as_empty=wanted.invert,
    )


def _query(wanted: NamedMatch) -> QueryParameterMatcher:
    if wanted.match.comparison is Comparison.PRESENT:
        return QueryParameterMatcher(name=wanted.name, present_match=True)
    return QueryParameterMatcher(name=wanted.name, string_match=string_matcher(wanted.match))
