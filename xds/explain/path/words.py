"""What a route's policies do to a request, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from xds.explain.path.steps import Step
from xds.model.policy import Policies
from xds.model.quantity import Percent
from xds.model.refs import FieldRef
from xds.translators.direct_responses.policy import DirectResponse
from xds.translators.faults.policy import Faults
from xds.translators.headers.policy import HeaderOperations
from xds.translators.mirrors.policy import Mirrors
from xds.translators.redirects.policy import Redirect
from xds.translators.retries.policy import RetryPolicy
from xds.translators.rewrites.policy import HostRewrite, PathRewrite
from xds.translators.timeouts.policy import Timeout


def answered(policies: Policies) -> tuple[int, str] | None:
    """The status and the words of an answer that a route gives itself; None where it gives none."""
    direct, redirect = policies.get(DirectResponse), policies.get(Redirect)
    if direct is not None:
        return direct.status, f"the caller's proxy answers {direct.status} itself (directResponse)"
    if redirect is not None:
        return redirect.status, f"the caller's proxy redirects to {_location(redirect)} ({redirect.status})"
    return None


def _location(to: Redirect) -> str:
    scheme = f"{to.scheme}://" if to.scheme else ""
    host = to.authority or ("the same host" if not scheme else "")
    port = f":{to.port}" if to.port else ""
    path = to.path or (f"{to.prefix}*" if to.prefix else "")
    return f"{scheme}{host}{port}{path}" or "the same place"


def steps(policies: Policies, by: tuple[FieldRef, ...]) -> Iterator[Step]:
    """A step for each thing that a route does on the way, in the order in which it happens."""
    faults = policies.get(Faults)
    if faults is not None:
        yield from _faults(faults, by)
    path, host = policies.get(PathRewrite), policies.get(HostRewrite)
    if path is not None:
        new = path.prefix if not path.regex else f"what {path.regex!r} finds replaced by {path.substitution!r}"
        yield Step("rewrite", f"path to {new}", by)
    if host is not None:
        yield Step("rewrite", f"host to {host.authority}", by)
    edits = policies.get(HeaderOperations)
    if edits is not None and (names := _edited(edits)):
        yield Step("headers", names, by)
    mirrors = policies.get(Mirrors)
    for each in mirrors.mirrors if mirrors is not None else ():
        yield Step("mirror", f"{_share(each.share)} of requests are copied to {each.cluster}", by)
    timeout, retries = policies.get(Timeout), policies.get(RetryPolicy)
    if timeout is not None:
        yield Step("timeout", seconds(timeout.limit) if timeout.limit else "none", ())
    if retries is not None:
        yield Step("retries", _retries(retries), ())


def _faults(faults: Faults, by: tuple[FieldRef, ...]) -> Iterator[Step]:
    if faults.delay is not None:
        yield Step("fault", f"{_share(faults.delay.share)} are held up for {seconds(faults.delay.pause)}", by)
    abort = faults.abort
    if abort is not None:
        status = abort.status or f"gRPC status {abort.grpc_status}"
        yield Step("fault", f"{_share(abort.share)} are answered with {status}", by)


def always_aborted(policies: Policies) -> int:
    """The status with which a fault answers every request; 0 where there is none that answers all."""
    faults = policies.get(Faults)
    abort = faults.abort if faults is not None else None
    return abort.status or 200 if abort is not None and abort.share == Percent(1_000_000) else 0


def _edited(edits: HeaderOperations) -> str:
    names = [f"{sign}{name}" for sign, found in _named(edits) for name in found]
    return ", ".join(names)


def _named(edits: HeaderOperations) -> Iterator[tuple[str, list[str]]]:
    for where, one in (("", edits.request), ("answer's ", edits.response)):
        yield f"-{where}", list(one.remove)
        yield f"={where}", [name for name, _ in one.replace]
        yield f"+{where}", [name for name, _ in one.add]


def _retries(retries: RetryPolicy) -> str:
    if not retries.attempts:
        return "none"
    on = ", ".join((*retries.on, *map(str, retries.statuses)))
    each = f", {seconds(retries.per_try_timeout)} a try" if retries.per_try_timeout else ""
    return f"{retries.attempts} on {on}{each}"


def seconds(time: timedelta) -> str:
    """A time in words, as manifests write it: ``0.5s``."""
    return f"{time.total_seconds():g}s"


def _share(share: Percent) -> str:
    return f"{share.parts_per_million / 10_000:g}%"
