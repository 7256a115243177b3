"""Retries in Envoy's words."""

from __future__ import annotations

from typing import Final

from xds.api.envoy.config.route.v3.route_components_pb2 import RetryPolicy as EnvoyRetryPolicy
from xds.api.envoy.config.route.v3.route_components_pb2 import RouteAction
from xds.api.envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2 import PreviousHostsPredicate
from xds.api.envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config_pb2 import (
    PreviousPrioritiesConfig,
)
from xds.translators.retries.policy import RetryPolicy
from xds.wire.codec import duration, pack, u32

_SELECTION_ATTEMPTS: Final = 5
_PRIORITY_UPDATES: Final = 2


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
    if retry.avoid_previous_hosts:
        predicate = policy.retry_host_predicate.add()
        predicate.name = "envoy.retry_host_predicates.previous_hosts"
        predicate.typed_config.CopyFrom(pack(PreviousHostsPredicate()))
        policy.host_selection_retry_max_attempts = _SELECTION_ATTEMPTS
    if retry.other_localities:
        policy.retry_priority.name = "envoy.retry_priorities.previous_priorities"
        policy.retry_priority.typed_config.CopyFrom(pack(PreviousPrioritiesConfig(update_frequency=_PRIORITY_UPDATES)))
    return RouteAction(retry_policy=policy)
