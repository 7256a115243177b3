"""AuthorizationPolicies: authorizers that nobody knows, rules that TCP widens or empties, callers of other meshes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from xds.explain.analyze import callers
from xds.explain.analyze.selected import Group, attachment_of, had_by_nobody, of
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.security import AttachedPolicy
from xds.model.service import Protocol
from xds.model.snapshot import Table
from xds.translators.authorization.policy import (
    Action,
    Attribute,
    Authorization,
    Condition,
    PolicyRules,
    Rule,
    seen_on_tcp,
)
from xds.view.filters import attached
from xds.view.graph import Read
from xds.view.inbound import Offer, inbound_ports
from xds.view.scope import mesh


class Port(NamedTuple):
    """A port of some selected workload, and whether requests are seen on it, or connections only."""

    number: int
    requests: bool


def check(read: Read, key: ObjectRef) -> tuple[Problem, ...]:
    """What is wrong with a policy object, if it is an AuthorizationPolicy."""
    if key.kind != "AuthorizationPolicy":
        return ()
    stated: AttachedPolicy | None = read.first(Table.POLICY, key)
    authorization = stated.policies.get(Authorization) if stated is not None else None
    found = authorization.policies if authorization is not None else ()
    return tuple(problem for policy in found for problem in _findings(read, policy))


def _findings(read: Read, policy: PolicyRules) -> Iterator[Problem]:
    yield from _authorizer(read, policy)
    yield from callers.findings(read, policy)
    attachment = attachment_of(read, Table.ATTACHMENT, policy.ref)
    if attachment is None or attachment.targets:
        return
    if wanted := had_by_nobody(read, attachment):
        at = FieldRef(policy.ref, ("spec", "selector"))
        message = f"no workload has {wanted}; the policy has no effect"
        yield Problem(at, "authorization.nobody-selected", message, Severity.WARNING)
    selected = of(read, attachment)
    if policy.action is Action.CUSTOM and not policy.dry_run:
        yield from _rivals(read, policy, selected)
        if _has_no_say_on_tcp(read, policy):
            yield from _passed_by(policy, _ports(read, selected))
            return
    narrowed = [(index, rule) for index, rule in enumerate(policy.rules) if seen_on_tcp(rule, policy.action) != rule]
    if narrowed and selected:
        ports = _ports(read, selected)
        for index, rule in narrowed:
            yield from _on_tcp(policy, index, rule, ports)


def _authorizer(read: Read, policy: PolicyRules) -> Iterator[Problem]:
    if policy.action is Action.CUSTOM and read.get(mesh).authorizer(policy.provider) is None:
        at = FieldRef(policy.ref, ("spec", "provider", "name"))
        known = ", ".join(each.name for each in read.get(mesh).authorizers) or "none"
        message = (
            f"MeshConfig has no authorizer {policy.provider!r}, so what the rules match is refused; it has {known}"
        )
        yield Problem(at, "authorization.provider-unknown", message)


def _rivals(read: Read, policy: PolicyRules, selected: list[Group]) -> Iterator[Problem]:
    for group in selected:
        of_group = read.get(attached, group.namespace, group.labels).get(Authorization) or Authorization()
        other = next((each for each in of_group.policies if _is_rival(each, policy)), None)
        if other is not None:
            at = FieldRef(policy.ref, ("spec", "provider", "name"))
            message = (
                f"is another authorizer than that of {other.ref}, which is for {group.namespace}/{group.pod} too; "
                "a workload has one, and what either matches there is refused"
            )
            yield Problem(at, "authorization.provider-twice", message)
            return


def _is_rival(other: PolicyRules, policy: PolicyRules) -> bool:
    return other.action is Action.CUSTOM and not other.dry_run and other.provider != policy.provider


def _has_no_say_on_tcp(read: Read, policy: PolicyRules) -> bool:
    known = read.get(mesh).authorizer(policy.provider)
    return known is not None and not known.grpc


def _passed_by(policy: PolicyRules, ports: list[Port]) -> Iterator[Problem]:
    numbers = {port.number for port in ports if not port.requests}
    blind = [str(number) for number in sorted(numbers) if any(_may_be_at(rule, number) for rule in policy.rules)]
    if blind:
        at = FieldRef(policy.ref, ("spec", "provider", "name"))
        message = (
            f"speaks HTTP, so it is not asked about connections to port {', '.join(blind)}, which pass; "
            "one that speaks gRPC is asked"
        )
        yield Problem(at, "authorization.not-asked-on-tcp", message, Severity.WARNING)


# -- ports on which requests are not seen


def _ports(read: Read, selected: list[Group]) -> list[Port]:
    """The ports of the workloads that say what they speak; a port that is sniffed shows its requests where it can."""
    found = {
        Port(port.number, port.protocol.is_http)
        for group in selected
        for port in read.get(inbound_ports, Offer(group.namespace, group.labels, group.pod))
        if port.protocol is not Protocol.AUTO
    }
    return sorted(found)


def _on_tcp(policy: PolicyRules, index: int, rule: Rule, ports: list[Port]) -> Iterator[Problem]:
    open_to = [port for port in ports if _may_be_at(rule, port.number)]
    blind = [str(port.number) for port in open_to if not port.requests]
    if not blind:
        return
    at = FieldRef(policy.ref, ("spec", "rules", index))
    where = f"port {', '.join(blind)}, where no requests are seen"
    if policy.action is not Action.ALLOW:
        done = "refuses more than it says" if policy.action is Action.DENY else "matches more than it says"
        message = f"{done} on {where}: what is about requests is left out; name the ports that it is for"
        yield Problem(at, "authorization.wider-on-tcp", message, Severity.WARNING)
        return
    never = not any(port.requests for port in open_to)
    message = f"allows nothing on {where}; connections need a rule that asks for callers and ports only"
    severity = Severity.WARNING if never else Severity.INFO
    yield Problem(at, "authorization.never-on-tcp", message, severity)


def _may_be_at(rule: Rule, port: int) -> bool:
    """Whether the rule can match on that port, whatever else it asks for."""

    def permits(conditions: tuple[Condition, ...]) -> bool:
        about = [each for each in conditions if each.attribute is Attribute.PORT]
        wanted = all(not each.values or str(port) in each.values for each in about)
        return wanted and not any(str(port) in each.not_values for each in about)

    return permits(rule.when) and (not rule.operations or any(map(permits, rule.operations)))
