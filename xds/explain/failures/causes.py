"""What each failure means: Envoy's response flags and details, and which field of which object decided.

Source: by experiment with Envoy 1.40 (``tests/envoy/test_failures.py``); envoy/data/accesslog/v3 ResponseFlags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from xds.explain.failures.known import Known
from xds.explain.failures.tls import tls_cause
from xds.explain.path.steps import End
from xds.explain.path.words import seconds
from xds.failed.call import FailedCall
from xds.model.refs import FieldRef, ObjectRef
from xds.translators.connection_pools.policy import ConnectionPools, Limits
from xds.translators.outlier_detection.policy import OutlierDetection
from xds.translators.retries.policy import RetryPolicy
from xds.translators.timeouts.policy import Timeout
from xds.view.specs.clusters import Discovery

_BY_NAME: Final = (Discovery.STRICT_DNS, Discovery.LOGICAL_DNS, Discovery.DYNAMIC_DNS)
_REASON: Final = re.compile(r"\{(?:[a-z_]+\|)?(.*)\}")
_MAXIMA: Final[tuple[tuple[str, Callable[[Limits], int]], ...]] = (
    ("http.http1MaxPendingRequests", lambda limits: limits.max_pending_requests),
    ("tcp.maxConnections", lambda limits: limits.max_connections),
    ("http.http2MaxRequests", lambda limits: limits.max_requests),
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a call failed, in words, and the objects and fields that decided it, the most guilty first."""

    says: str
    guilty: tuple[FieldRef, ...] = ()


def cause(call: FailedCall, known: Known, *, inbound: bool) -> Cause:
    """The cause of a failed call that a proxy told of: one that came in to its workload, or else went out."""
    for flags, why in _CAUSES:
        if not flags.isdisjoint(call.flags):
            return why(call, known, inbound)
    if call.details == "direct_response":
        return Cause("a route answers so itself", known.route_field("directResponse", "filters"))
    if call.details.startswith("via_upstream"):
        return _answered(call, known, inbound)
    return Cause(call.details.replace("_", " ") or "its proxy does not say why", _somebody(call, known, inbound))


def gives_up_first(call: FailedCall) -> bool:
    """Whether all that is known is that the caller did not wait any longer: its own proxy knows more."""
    return "DC" in call.flags and not call.status


def answered_by_upstream(call: FailedCall) -> bool:
    """Whether the answer came from whoever was called: its own proxy knows more."""
    return call.details.startswith("via_upstream") or call.flags == ("URX",)


# -- one a flag


def _limited(call: FailedCall, known: Known, inbound: bool) -> Cause:
    return Cause("more requests than its rate limit lets through", tuple(map(FieldRef, known.limits)))


def _uncounted(call: FailedCall, known: Known, inbound: bool) -> Cause:
    return Cause("the service that counts for its rate limit does not answer", tuple(map(FieldRef, known.limits)))


def _injected(call: FailedCall, known: Known, inbound: bool) -> Cause:
    return Cause("a fault of its route answers so", known.route_field("fault", "filters"))


def _unresolved(call: FailedCall, known: Known, inbound: bool) -> Cause:
    name = known.service.hostname if known.service is not None else call.host
    return Cause(f"the name {name} is not resolved: DNS knows no address of it", _service(known))


def _unrouted(call: FailedCall, known: Known, inbound: bool) -> Cause:
    if "NC" in call.flags and known.way is not None and known.way.end is not End.FAILS:
        return Cause("the proxy did not have its destination, which it is sent by now", known.way.guilty)
    if known.way is not None and known.way.because:
        return Cause(known.way.because, known.way.guilty)
    return Cause(f"no route takes {call.method} {call.host}{call.path}", _service(known))


def _overflow(call: FailedCall, known: Known, inbound: bool) -> Cause:
    pools = known.cluster.policies.get(ConnectionPools) if known.cluster is not None else None
    limits = pools.limits if pools is not None and pools.limits is not None else Limits()
    stated = [(field, maximum(limits)) for field, maximum in _MAXIMA if maximum(limits)]
    words = ", ".join(f"{field.partition('.')[2]} {number}" for field, number in stated)
    if known.pool is not None:
        guilty = [known.pool / field for field, _ in stated]
    else:
        guilty = [at for field, _ in stated for at in known.rule_field(ConnectionPools, f"connectionPool.{field}")]
    if not guilty and stated and known.settings.ref is not None:
        guilty = [FieldRef(known.settings.ref)]
    who = (
        "its proxy lets no more through to the application"
        if inbound
        else "more at one time than the caller's proxy may send"
    )
    return Cause(f"{who}: connectionPool has {words or 'no limits any more'}", tuple(guilty) or _service(known))


def _timed_out(call: FailedCall, known: Known, inbound: bool) -> Cause:
    policies = known.route.policies if known.route is not None else None
    slow = _at(call, known)
    if call.details == "upstream_per_try_timeout":
        retries = policies.get(RetryPolicy) if policies is not None else None
        limit = f" of {seconds(retries.per_try_timeout)}" if retries is not None and retries.per_try_timeout else ""
        guilty = known.route_field("retries.perTryTimeout", "timeouts.backendRequest")
        return Cause(f"no answer within perTryTimeout{limit}{_tries(call)}, from {slow}", guilty + _upstream(known))
    timeout = policies.get(Timeout) if policies is not None else None
    if timeout is not None and timeout.limit:
        guilty = known.route_field("timeout", "timeouts.request")
        return Cause(
            f"its route has a timeout of {seconds(timeout.limit)}, and {slow} took longer", guilty + _upstream(known)
        )
    return Cause(f"{slow} took longer than the caller allows itself, in a header of the request", _upstream(known))


def _unconnected(call: FailedCall, known: Known, inbound: bool) -> Cause:
    reason = call.transport or _reason(call.details)
    if reason.startswith("TLS_error"):
        says, guilty = tls_cause(reason, known)
        return Cause(f"TLS to {_at(call, known)}: {says}", guilty)
    if "connection_timeout" in call.details or reason == "connection timeout":
        return Cause(
            f"{_at(call, known)} does not take connections in time",
            (*_somebody(call, known, inbound), *known.rule_field(ConnectionPools, "connectionPool.tcp.connectTimeout")),
        )
    return Cause(f"{reason or 'no connection'} at {_at(call, known)}{_tries(call)}", _somebody(call, known, inbound))


def _nobody(call: FailedCall, known: Known, inbound: bool) -> Cause:
    if known.cluster is not None and known.cluster.discovery in _BY_NAME:
        return _unresolved(call, known, inbound)
    if known.way is not None and known.way.guilty:
        return Cause(known.way.because, known.way.guilty)
    outliers = known.cluster.policies.get(OutlierDetection) if known.cluster is not None else None
    if outliers is not None:
        guilty = known.rule_field(OutlierDetection, "outlierDetection")
        return Cause("all endpoints are left out for now, by outlierDetection", guilty or _service(known))
    return Cause("nobody healthy is behind it", _service(known))


def _broken_off(call: FailedCall, known: Known, inbound: bool) -> Cause:
    who = "the application" if inbound else _at(call, known)
    reason = _reason(call.details).replace("_", " ")
    how = "did not keep to its protocol" if "UPE" in call.flags or "protocol" in reason else "ended the connection"
    more = f" ({reason})" if reason and reason not in ("connection termination", "remote reset") else ""
    return Cause(f"{who} {how} before it had answered{more}", _somebody(call, known, inbound))


def _lasted(call: FailedCall, known: Known, inbound: bool) -> Cause:
    return Cause(f"{call.details.replace('_', ' ')} after {call.duration_ms} ms", _somebody(call, known, inbound))


def _overloaded(call: FailedCall, known: Known, inbound: bool) -> Cause:
    guilty = (FieldRef(known.reporter),) if known.reporter is not None else ()
    return Cause("the proxy that tells of it has no memory left, and refuses", guilty)


def _hung_up(call: FailedCall, known: Known, inbound: bool) -> Cause:
    who = "the application" if inbound else _at(call, known)
    return Cause(
        f"the caller hung up after {call.duration_ms} ms; {who} had not answered, and no timeout said so before",
        _somebody(call, known, inbound),
    )


def _answered(call: FailedCall, known: Known, inbound: bool) -> Cause:
    who = "the application itself answers so" if inbound else f"{_at(call, known)} answers so itself"
    return Cause(f"{who}{_tries(call)}", _somebody(call, known, inbound))


_CAUSES: Final[tuple[tuple[frozenset[str], Callable[[FailedCall, Known, bool], Cause]], ...]] = (
    (frozenset({"RL"}), _limited),
    (frozenset({"RLSE"}), _uncounted),
    (frozenset({"FI"}), _injected),
    (frozenset({"DF"}), _unresolved),
    (frozenset({"NR", "NC"}), _unrouted),
    (frozenset({"UO"}), _overflow),
    (frozenset({"UT"}), _timed_out),
    (frozenset({"UF"}), _unconnected),
    (frozenset({"UH"}), _nobody),
    (frozenset({"UC", "UR", "LR", "UPE"}), _broken_off),
    (frozenset({"SI", "DT", "UMSDR"}), _lasted),
    (frozenset({"OM"}), _overloaded),
    (frozenset({"DC"}), _hung_up),
    (frozenset({"URX"}), _answered),
)


# -- who


def _somebody(call: FailedCall, known: Known, inbound: bool) -> tuple[FieldRef, ...]:
    """Whoever was called: a pod, else the service."""
    if inbound and known.reporter is not None:
        return (FieldRef(known.reporter),)
    return _upstream(known) or _service(known)


def _upstream(known: Known) -> tuple[FieldRef, ...]:
    return _refs((known.upstream,))


def _service(known: Known) -> tuple[FieldRef, ...]:
    return _refs((known.service.ref if known.service is not None else None,))


def _refs(found: Iterable[ObjectRef | None]) -> tuple[FieldRef, ...]:
    return tuple(FieldRef(ref) for ref in found if ref is not None)


def _at(call: FailedCall, known: Known) -> str:
    """``10.0.0.7:8080 (Pod shop/api-1)``."""
    if not call.upstream:
        return str(known.service.ref) if known.service is not None else "whoever was called"
    return f"{call.upstream} ({known.upstream})" if known.upstream is not None else call.upstream


def _tries(call: FailedCall) -> str:
    return f", {call.attempts} times" if call.attempts > 1 else ""


def _reason(details: str) -> str:
    found = _REASON.search(details)
    return found[1].replace("_", " ") if found else ""
