"""Rate limits in Envoy's words: descriptors of requests, counted by the proxy itself or by a service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from xds.api.envoy.config.core.v3.config_source_pb2 import ApiVersion
from xds.api.envoy.config.route.v3.route_components_pb2 import HeaderMatcher
from xds.api.envoy.config.route.v3.route_components_pb2 import RateLimit as Descriptor
from xds.api.envoy.extensions.common.ratelimit.v3.ratelimit_pb2 import (
    LocalRateLimitDescriptor,
    XRateLimitHeadersRFCVersion,
)
from xds.api.envoy.extensions.filters.http.local_ratelimit.v3.local_rate_limit_pb2 import LocalRateLimit
from xds.api.envoy.extensions.filters.http.ratelimit.v3.rate_limit_pb2 import RateLimit
from xds.api.envoy.extensions.rate_limit_descriptors.expr.v3.expr_pb2 import Descriptor as Expression
from xds.model.identity import TrustDomains
from xds.model.route import Comparison, NamedMatch
from xds.translators.rate_limits.policy import By, Limit, RateLimits, Service, Told
from xds.translators.string_matchers import string_matcher
from xds.wire.codec import boolean, duration, pack, u32

MOST_COUNTS: Final = 10_000
"""Counts of one limit for values that requests bring along; the least recently used goes for a new one."""

_LIMIT: Final = "limit"
_MATCH: Final = "match"
_YES: Final = "yes"
# CEL; callers without an identity are counted as one.
_IDENTITY: Final = 'connection.mtls ? connection.uri_san_peer_certificate : "-"'


def counted_here(policy: RateLimits, tcp: bool, trust: TrustDomains) -> LocalRateLimit:
    """The filter with which a proxy counts itself: a token bucket a limit, and one for each value told apart."""
    del tcp, trust
    message = LocalRateLimit(
        stat_prefix="rate_limit",
        enable_x_ratelimit_headers=XRateLimitHeadersRFCVersion.DRAFT_VERSION_03,
        max_dynamic_descriptors=u32(MOST_COUNTS),
        always_consume_default_token_bucket=boolean(False),
        rate_limited_as_resource_exhausted=True,
        enable_retry_after_header=True,
    )
    for fraction in (message.filter_enabled, message.filter_enforced):
        fraction.default_value.numerator = 100
    for part in policy.parts:
        for limit in part.of_each:
            found = tuple(_descriptors(limit))
            message.rate_limits.extend(descriptor for descriptor, _ in found)
            message.descriptors.append(_bucket(limit, found[0][1]))
    return message


def counted_by_service(policy: RateLimits, tcp: bool, trust: TrustDomains) -> RateLimit:
    """The filter that asks a service; all parts name the same one."""
    del tcp, trust
    service = policy.parts[0].service
    assert service is not None
    message = RateLimit(
        domain=service.domain,
        timeout=duration(service.timeout),
        failure_mode_deny=service.fail_closed,
        rate_limited_as_resource_exhausted=True,
        enable_x_ratelimit_headers=RateLimit.DRAFT_VERSION_03,
        enable_retry_after_header=True,
        stat_prefix="rate_limit_service",
    )
    _spell_service(service, message)
    for part in policy.parts:
        for limit in part.limits:
            message.rate_limits.extend(descriptor for descriptor, _ in _descriptors(limit))
    return message


def _spell_service(service: Service, into: RateLimit) -> None:
    into.rate_limit_service.transport_api_version = ApiVersion.V3
    asked = into.rate_limit_service.grpc_service
    asked.envoy_grpc.cluster_name = service.cluster
    asked.envoy_grpc.authority = service.destination.host
    asked.timeout.CopyFrom(duration(service.timeout))


def _descriptors(limit: Limit) -> Iterator[tuple[Descriptor, tuple[tuple[str, str], ...]]]:
    """For each alternative, how a request is described, and what its description is: key and value, or any value.

    All alternatives describe alike, so that they are one count, and each takes only what those before it do not.
    """
    for index in range(max(len(limit.alternatives), 1)):
        message = Descriptor()
        if not limit.headers:
            message.x_ratelimit_option = Descriptor.OFF
        message.actions.add().generic_key.descriptor_key = _LIMIT
        message.actions[-1].generic_key.descriptor_value = limit.name
        for number, conditions in enumerate(limit.alternatives):
            _spell_alternative(conditions, index - number, message)
        described = [(_LIMIT, limit.name), *((_MATCH, _YES) for _ in limit.alternatives)]
        described += [(_spell(each, message), "") for each in limit.by]
        yield message, tuple(described)


def _spell_alternative(conditions: tuple[NamedMatch, ...], after: int, into: Descriptor) -> None:
    """Describe a request by one alternative: that it holds (``after`` is 0), that it does not (above), or anyhow."""
    action = into.actions.add()
    if after < 0:
        action.generic_key.descriptor_key, action.generic_key.descriptor_value = _MATCH, _YES
        return
    matched = action.header_value_match
    matched.descriptor_key, matched.descriptor_value = _MATCH, _YES
    matched.headers.extend(map(_condition, conditions))
    if after:
        matched.expect_match.value = False


def _condition(wanted: NamedMatch) -> HeaderMatcher:
    if wanted.match.comparison is Comparison.PRESENT:
        return HeaderMatcher(name=wanted.name, present_match=True)
    message = HeaderMatcher(name=wanted.name, string_match=string_matcher(wanted.match))
    if wanted.name == ":path" and wanted.match.comparison is not Comparison.PREFIX:
        # The header has the query behind the path, which is not part of what is compared.
        text = wanted.match.value
        path = re.escape(text) if wanted.match.comparison is Comparison.EXACT else f"(?:{text})"
        message.string_match.safe_regex.regex = rf"{path}(\?.*)?"
    return message


def _spell(by: By, into: Descriptor) -> str:
    """The key of the entry that is added for what requests are told apart by."""
    action = into.actions.add()
    if by.told is Told.HEADER:
        key = f"header:{by.name}"
        action.request_headers.header_name, action.request_headers.descriptor_key = by.name, key
    elif by.told is Told.QUERY_PARAM:
        key = f"query:{by.name}"
        action.query_parameters.query_parameter_name, action.query_parameters.descriptor_key = by.name, key
    elif by.told is Told.IDENTITY:
        key = "caller"
        action.extension.name = "envoy.rate_limit_descriptors.expr"
        action.extension.typed_config.CopyFrom(pack(Expression(descriptor_key=key, text=_IDENTITY)))
    else:
        key = "remote_address"
        action.remote_address.SetInParent()
    return key


def _bucket(limit: Limit, described: tuple[tuple[str, str], ...]) -> LocalRateLimitDescriptor:
    message = LocalRateLimitDescriptor(shadow_mode=limit.dry_run)
    for key, value in described:
        message.entries.add(key=key, value=value)
    message.token_bucket.max_tokens = max(limit.burst, 1)
    message.token_bucket.tokens_per_fill.value = max(limit.requests, 1)
    message.token_bucket.fill_interval.CopyFrom(duration(limit.period))
    return message
