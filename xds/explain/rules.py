"""Which rule of a policy matches a request, and what the others miss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xds.explain.matching import actual, holds
from xds.explain.request import Request
from xds.model.identity import TrustDomains
from xds.model.refs import ObjectRef
from xds.translators.authorization.policy import Action, All, Condition, PolicyRules, Rule, seen_on_tcp

NO_RULES: Final = "it has no rules, so it matches nothing"


@dataclass(frozen=True, slots=True)
class Considered:
    """One policy that was looked at: the first rule that matches, or None and what each rule misses, in order."""

    ref: ObjectRef
    action: Action
    dry_run: bool = False
    rule: int | None = None
    misses: tuple[str, ...] = ()

    @property
    def matched(self) -> bool:
        """Whether the policy is about the request."""
        return self.rule is not None

    @property
    def in_force(self) -> bool:
        """Whether it matches, and more than to be recorded."""
        return self.matched and not self.dry_run


def consider(policy: PolicyRules, request: Request, trust: TrustDomains) -> Considered:
    """What the policy makes of the request; one without rules matches nothing."""
    misses: list[str] = []
    for index, rule in enumerate(policy.rules):
        missing = _missing(policy.action, rule, request, trust)
        if missing is None:
            return Considered(policy.ref, policy.action, policy.dry_run, index)
        misses.append(f"rules[{index}]: {missing}")
    return Considered(policy.ref, policy.action, policy.dry_run, None, tuple(misses or [NO_RULES]))


def _missing(action: Action, stated: Rule, request: Request, trust: TrustDomains) -> str | None:
    """What keeps the rule from matching, in words; None when it matches."""
    rule = stated if request.http is not None else seen_on_tcp(stated, action)
    if rule is None:
        return f"{_unseen(stated)} cannot be seen on a plain connection, so the whole rule is left out"
    for alternatives in (rule.sources, rule.operations, (rule.when,)):
        missing = [_first_miss(each, request, trust, narrow=action is Action.ALLOW) for each in alternatives]
        found = [each for each in missing if each is not None]
        if missing and len(found) == len(missing):
            return "; ".join(dict.fromkeys(found))
    return None


def _first_miss(conditions: All, request: Request, trust: TrustDomains, *, narrow: bool) -> str | None:
    failed = next((each for each in conditions if not holds(each, request, trust, narrow=narrow)), None)
    if failed is None:
        return None
    return f"{label(failed)} is {actual(failed, request)}, must be {_wanted(failed)}"


def _wanted(condition: Condition) -> str:
    parts = []
    if condition.values:
        parts.append(_listed(condition.values))
    if condition.not_values:
        parts.append(f"not {_listed(condition.not_values)}")
    return " and ".join(parts)


def _listed(values: tuple[str, ...]) -> str:
    return " or ".join(map(repr, values))


def label(condition: Condition) -> str:
    """The condition's attribute as ``when`` writes it: ``request.headers[x-user]``."""
    return condition.attribute.value + "".join(f"[{step}]" for step in condition.key)


def _unseen(rule: Rule) -> str:
    """The first attribute that a plain connection does not have, or ``""``."""
    every = (*(each for part in (*rule.sources, *rule.operations) for each in part), *rule.when)
    return next((label(each) for each in every if not each.attribute.on_tcp), "")
