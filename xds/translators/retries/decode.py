"""Reading ``retries`` of a VirtualService's route, and MeshConfig's policies for routes without."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from xds.kinds.http_policies import HTTPRetry
from xds.kinds.http_route import HTTPRoute
from xds.kinds.mesh_config import MeshConfigSpec
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.retries.policy import PROVEN_UNEXECUTED, RetryPolicy

BY_STATUS: Final = "retriable-status-codes"
HTTP_CONDITIONS: Final = (
    "5xx",
    "connect-failure",
    "envoy-ratelimited",
    "gateway-error",
    "http3-post-connect-failure",
    "refused-stream",
    "reset",
    "reset-before-request",
    "retriable-4xx",
    "retriable-headers",
    BY_STATUS,
)
GRPC_CONDITIONS: Final = ("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable")
_KNOWN: Final = frozenset(HTTP_CONDITIONS + GRPC_CONDITIONS)
_ZERO: Final = timedelta(0)


def route_retries(route: HTTPRoute, at: FieldRef, reading: Reading) -> RetryPolicy | None:
    """The policy in ``retries``; None when the block is absent. ``attempts: 0`` is a policy too: it turns retries off.

    Problems: those of ``decode_retry``, retries.longer-than-timeout. Source: istio networking/v1 HTTPRetry.
    """
    if route.retries is None:
        return None
    policy = decode_retry(route.retries, at / "retries", reading)
    if route.timeout and policy.per_try_timeout > route.timeout:
        message = f"is longer than the route's timeout ({route.timeout.total_seconds():g}s), which ends the try first"
        reading.warning(at / "retries.perTryTimeout", "retries.longer-than-timeout", message)
    return policy


def mesh_retries(spec: MeshConfigSpec, at: FieldRef, reading: Reading) -> RetryPolicy | None:
    """The policy in ``defaultHttpRetryPolicy``; None when it is absent."""
    if spec.default_http_retry_policy is None:
        return None
    return decode_retry(spec.default_http_retry_policy, at / "defaultHttpRetryPolicy", reading)


def decode_retry(spec: HTTPRetry, at: FieldRef, reading: Reading) -> RetryPolicy:
    """The policy in a block at ``at``.

    Problems: retries.unknown-condition, retries.status-code, retries.off.
    """
    if spec.attempts == 0 and spec != HTTPRetry():
        message = "is 0 or absent, which turns retries off: the block's other fields have no effect"
        reading.warning(at / "attempts", "retries.off", message)
    words, statuses = _split(spec.retry_on, at / "retryOn", reading)
    return RetryPolicy(
        attempts=spec.attempts,
        on=words or PROVEN_UNEXECUTED,
        statuses=statuses,
        per_try_timeout=spec.per_try_timeout or _ZERO,
        backoff=spec.backoff or _ZERO,
        avoid_previous_hosts=spec.retry_ignore_previous_hosts,
        other_localities=bool(spec.retry_remote_localities),
    )


def _split(retry_on: str, at: FieldRef, reading: Reading) -> tuple[tuple[str, ...], tuple[int, ...]]:
    words: set[str] = set()
    statuses: set[int] = set()
    for word in filter(None, (part.strip() for part in retry_on.split(","))):
        if word in _KNOWN:
            words.add(word)
        elif not (word.isascii() and word.isdigit()):
            reading.error(at, "retries.unknown-condition", f"{word!r} is no retry condition of Envoy")
        elif 200 <= int(word) <= 599:
            statuses.add(int(word))
        else:
            reading.error(at, "retries.status-code", f"must have status codes from 200 to 599, has {word}")
    if statuses:
        words.add(BY_STATUS)
    return tuple(sorted(words)), tuple(sorted(statuses))
