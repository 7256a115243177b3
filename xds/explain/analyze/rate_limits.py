"""RateLimits that are for nobody, whose service nobody knows, or that ask another service than an older one does."""

from __future__ import annotations

from collections.abc import Iterator

from xds.explain.analyze.selected import attachment_of, had_by_nobody, of
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.security import AttachedPolicy
from xds.model.snapshot import Table
from xds.translators.rate_limits import RateLimits
from xds.translators.rate_limits.policy import Service
from xds.view.filters import attached
from xds.view.graph import Read
from xds.view.scope import resolved_service


def check(read: Read, key: ObjectRef) -> tuple[Problem, ...]:
    """What is wrong with a policy object's workloads and service, if it is a RateLimit."""
    return tuple(_findings(read, key)) if key.kind == "RateLimit" else ()


def _findings(read: Read, key: ObjectRef) -> Iterator[Problem]:
    attachment = attachment_of(read, Table.ATTACHMENT, key)
    if attachment is not None and not attachment.targets and (wanted := had_by_nobody(read, attachment)):
        message = f"no workload has {wanted}; the limits have no effect"
        yield Problem(FieldRef(key, ("spec", "selector")), "rate-limit.nobody-selected", message, Severity.WARNING)
    stated: AttachedPolicy | None = read.first(Table.POLICY, key)
    found = stated.policies.get(RateLimits) if stated is not None else None
    service = next((part.service for part in found.parts if part.service is not None), None) if found else None
    if service is None:
        return
    at = FieldRef(key, ("spec", "service", "host"))
    host = service.destination.host
    known = resolved_service(read, host, key.namespace)
    if known is None or known.port(service.destination.port) is None:
        what = "every request is refused" if service.fail_closed else "nothing is limited"
        port = service.destination.port
        yield Problem(at, "rate-limit.service-unknown", f"there is no service {host} with port {port}, so {what}")
    for group in of(read, attachment) if attachment is not None else ():
        of_group = read.get(attached, group.namespace, group.labels).get(RateLimits) or RateLimits()
        if _first_service(of_group) not in (None, service):
            message = f"is not asked by {group.namespace}/{group.pod}, which has another RateLimit's service already"
            yield Problem(at, "rate-limit.service-twice", message)
            return


def _first_service(limits: RateLimits) -> Service | None:
    return next((part.service for part in limits.parts if part.service is not None), None)
