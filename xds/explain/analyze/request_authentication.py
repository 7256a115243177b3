"""RequestAuthentications that are for nobody, or whose keys cannot be had, or are old."""

from __future__ import annotations

from xds.explain.analyze.selected import attachment_of, had_by_nobody
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.security import AttachedPolicy, KeySet
from xds.model.snapshot import Table
from xds.translators.request_authentication import RequestAuthentication
from xds.view.graph import Read


def check(read: Read, key: ObjectRef) -> tuple[Problem, ...]:
    """What is wrong with a policy object's workloads and keys, if it is a RequestAuthentication."""
    if key.kind != "RequestAuthentication":
        return ()
    attached: AttachedPolicy | None = read.first(Table.POLICY, key)
    policy = attached.policies.get(RequestAuthentication) if attached is not None else None
    uris = policy.key_sets() if policy is not None else ()
    known: list[KeySet] = [found for uri in uris if (found := read.first(Table.KEY_SET, uri)) is not None]
    attachment = attachment_of(read, Table.ATTACHMENT, key)
    problems = tuple(_problem(key, found) for found in known if found.problem)
    wanted = had_by_nobody(read, attachment) if attachment and not attachment.targets else ""
    if not wanted:
        return problems
    message = f"no workload has {wanted}; the policy has no effect"
    at = FieldRef(key, ("spec", "selector"))
    return (Problem(at, "jwt.nobody-selected", message, Severity.WARNING), *problems)


def _problem(key: ObjectRef, found: KeySet) -> Problem:
    at = FieldRef(key, ("spec", "jwtRules"))
    if found.jwks:
        message = f"the keys at {found.uri} cannot be read again, the old ones stay in force: {found.problem}"
        return Problem(at, "jwt.keys-old", message, Severity.WARNING)
    message = f"the keys at {found.uri} cannot be read, all tokens that need them are refused: {found.problem}"
    return Problem(at, "jwt.keys-unknown", message, Severity.ERROR)
