"""Retries in Envoy's words."""

from __future__ import annotations

from typing import Final

from xds.api.envoy.config.core.v3.base_pb2 import HeaderValueOption
from xds.api.envoy.config.route.v3.route_components_pb2 import RetryPolicy as EnvoyRetryPolicy
from xds.api.envoy.config.route.v3.route_components_pb2 import RouteAction
from xds.api.envoy.extensions.http.early_header_mutation.header_mutation.v3.header_mutation_pb2 import HeaderMutation
from xds.api.envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2 import PreviousHostsPredicate
from xds.api.envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config_pb2 import (
    PreviousPrioritiesConfig,
)
from xds.translators.retries.policy import RetryPolicy
from xds.wire.codec import duration, pack, u32

_SELECTION_ATTEMPTS: Final = 5
_COUNT: Final = "x-envoy-attempt-count"
EARLIER: Final = "x-plait-earlier-attempt"
"""What the caller's own caller said of a request: Envoy overwrites its count before it looks at the retry policy."""
_A_RETRY: Final = "0*([2-9]|[1-9][0-9]+)"
_PRIORITY_UPDATES: Final = 2


def kept_count() -> HeaderMutation:
    """What keeps the count that a request comes with, in every HTTP chain of callers."""
    message = HeaderMutation()
    kept = message.mutations.add().append
    kept.header.key, kept.header.value = EARLIER, f"%REQ({_COUNT})%"
    kept.append_action = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    return message


def route_action(retry: RetryPolicy) -> RouteAction:
    """The RouteAction fragment: ``retry_policy``, or nothing when retries are off."""
    if retry.attempts == 0:
        return RouteAction()
    policy = EnvoyRetryPolicy(
        retry_on=",".join(retry.on),
        num_retries=u32(retry.attempts),
        retriable_status_codes=retry.statuses,
    )
    if retry.per_try_timeout:
        policy.per_try_timeout.CopyFrom(duration(retry.per_try_timeout))
    if retry.backoff:
        policy.retry_back_off.base_interval.CopyFrom(duration(retry.backoff))
    said = policy.retriable_request_headers.add(name=EARLIER if retry.counted else _COUNT, invert_match=True)
    said.string_match.safe_regex.regex = _A_RETRY
    said.treat_missing_header_as_empty = True
    if retry.avoid_previous_hosts is not False:
        predicate = policy.retry_host_predicate.add()
        predicate.name = "envoy.retry_host_predicates.previous_hosts"
        predicate.typed_config.CopyFrom(pack(PreviousHostsPredicate()))
        policy.host_selection_retry_max_attempts = _SELECTION_ATTEMPTS
    if retry.other_localities:
        policy.retry_priority.name = "envoy.retry_priorities.previous_priorities"
        policy.retry_priority.typed_config.CopyFrom(pack(PreviousPrioritiesConfig(update_frequency=_PRIORITY_UPDATES)))
    return RouteAction(retry_policy=policy)
