"""Reading ``fault`` of a VirtualService's route."""

from __future__ import annotations

from typing import Final

from xds.kinds import http_policies as structs
from xds.kinds.http_route import HTTPRoute
from xds.model.quantity import NEVER, Percent
from xds.model.refs import FieldRef
from xds.translators.faults.policy import Abort, Delay, Faults
from xds.translators.feature import Reading

GRPC_STATUSES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""The names of gRPC's status codes, each at its number."""


def route_faults(route: HTTPRoute, at: FieldRef, reading: Reading) -> Faults | None:
    """The policy in ``fault``; None when the block is absent.

    Problems: faults.empty, faults.no-delay, faults.no-status, faults.grpc-status, faults.unsupported, faults.never.
    Source: istio networking/v1 HTTPFaultInjection.
    """
    spec = route.fault
    if spec is None:
        return None
    at = at / "fault"
    if spec.delay is None and spec.abort is None:
        reading.warning(at, "faults.empty", "has neither delay nor abort, so nothing is injected")
    return Faults(
        delay=_delay(spec.delay, at / "delay", reading) if spec.delay is not None else None,
        abort=_abort(spec.abort, at / "abort", reading) if spec.abort is not None else None,
    )


def _delay(spec: structs.Delay, at: FieldRef, reading: Reading) -> Delay | None:
    if spec.exponential_delay is not None:
        reading.error(at / "exponentialDelay", "faults.unsupported", "is not done by Envoy; use fixedDelay")
        return None
    if spec.fixed_delay is None:
        reading.error(at / "fixedDelay", "faults.no-delay", "must say how long requests are held up")
        return None
    share = Percent.of(spec.percent)
    if spec.percentage is not None:
        share = Percent.of(spec.percentage.value)
    _check_share(share, at, reading)
    return Delay(spec.fixed_delay, share)


def _abort(spec: structs.Abort, at: FieldRef, reading: Reading) -> Abort | None:
    if spec.http2_error is not None:
        reading.error(at / "http2Error", "faults.unsupported", "is not done by Envoy; use httpStatus or grpcStatus")
        return None
    if spec.http_status is None and spec.grpc_status is None:
        reading.error(at, "faults.no-status", "must have httpStatus or grpcStatus")
        return None
    share = Percent.of(spec.percentage.value) if spec.percentage is not None else NEVER
    _check_share(share, at, reading)
    if spec.grpc_status is None:
        return Abort(status=spec.http_status or 0, share=share)
    if spec.grpc_status not in GRPC_STATUSES:
        message = f"must be a gRPC status such as UNAVAILABLE, is {spec.grpc_status!r}"
        reading.error(at / "grpcStatus", "faults.grpc-status", message)
        return None
    return Abort(grpc_status=GRPC_STATUSES.index(spec.grpc_status), share=share)


def _check_share(share: Percent, at: FieldRef, reading: Reading) -> None:
    if share == NEVER:
        reading.warning(at / "percentage", "faults.never", "is 0 or absent, so no request gets this fault")
