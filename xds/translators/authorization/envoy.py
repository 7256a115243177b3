"""AuthorizationPolicies in the slots of inbound chains: RBAC filters, and the external authorizer's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import Message

from xds.api.envoy.config.rbac.v3.rbac_pb2 import RBAC, Permission, Policy, Principal
from xds.api.envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as http_rbac
from xds.api.envoy.extensions.filters.network.rbac.v3 import rbac_pb2 as network_rbac
from xds.model.filters import FilterSlot
from xds.model.identity import TrustDomains
from xds.translators.authorization import authorizer
from xds.translators.authorization.matchers import is_asked_for, permission, principal
from xds.translators.authorization.policy import Action, Authorization, PolicyRules, Rule, seen_on_tcp

DRY_RUN_DENY: Final = "istio_dry_run_deny_"
DRY_RUN_ALLOW: Final = "istio_dry_run_allow_"
AUDITED: Final = "audit_"
# What is refused because nobody can be asked carries this at the end of the policy's key, as in Istio.
UNDECIDABLE: Final = "-deny-due-to-bad-CUSTOM-action"


def policy_key(policy: PolicyRules, rule: int) -> str:
    """The name that a rule has in Envoy's metadata, statistics and logs: ``ns[shop]-policy[web]-rule[0]``."""
    return f"ns[{policy.ref.namespace}]-policy[{policy.ref.name}]-rule[{rule}]"


def deny(of: Authorization, tcp: bool, trust: TrustDomains) -> Message:
    """The filter of slot DENY: what a policy matches is refused; a dry run's only recorded."""
    enforced, tried = _by_dry_run(of)
    return _filter(
        FilterSlot.DENY,
        tcp,
        rules=_rbac(RBAC.DENY, enforced, tcp, trust) if enforced else None,
        shadow_rules=_rbac(RBAC.DENY, tried, tcp, trust) if tried else None,
        shadow_prefix=DRY_RUN_DENY,
    )


def allow(of: Authorization, tcp: bool, trust: TrustDomains) -> Message:
    """The filter of slot ALLOW: what no policy matches is refused, if there is any but dry runs.

    The shadow holds what would hold if the dry runs did: they, and the policies that are enforced already.
    """
    enforced, tried = _by_dry_run(of)
    return _filter(
        FilterSlot.ALLOW,
        tcp,
        rules=_rbac(RBAC.ALLOW, enforced, tcp, trust) if enforced else None,
        shadow_rules=_rbac(RBAC.ALLOW, of.policies, tcp, trust) if tried else None,
        shadow_prefix=DRY_RUN_ALLOW,
    )


def audit(of: Authorization, tcp: bool, trust: TrustDomains) -> Message:
    """The filter of slot AUDIT: what a policy matches is marked for the access log.

    The policy's name is left under keys of its own, as later filters write theirs; on TCP only shadows leave any.
    """
    enforced, _ = _by_dry_run(of)
    if not enforced:
        return _filter(FilterSlot.AUDIT, tcp)
    rules = _rbac(RBAC.LOG, enforced, tcp, trust)
    if tcp:
        return _filter(FilterSlot.AUDIT, tcp, rules=rules, shadow_rules=rules, shadow_prefix=AUDITED)
    return http_rbac.RBAC(rules=rules, rules_stat_prefix=AUDITED)


def custom_match(of: Authorization, tcp: bool, trust: TrustDomains) -> Message:
    """The filter of slot CUSTOM_MATCH: it leaves the name of the policy that wants the authorizer to be asked."""
    enforced, _ = _by_dry_run(of)
    decided = authorizer.of(enforced)
    if decided is None or (tcp and not decided.grpc):
        return _filter(FilterSlot.CUSTOM_MATCH, tcp)
    shadow = _rbac(RBAC.DENY, enforced, tcp, trust, before=authorizer.key_prefix(decided.name))
    return _filter(FilterSlot.CUSTOM_MATCH, tcp, shadow_rules=shadow, shadow_prefix=authorizer.SHADOW)


def custom(of: Authorization, tcp: bool, trust: TrustDomains) -> Message:
    """The filter of slot CUSTOM: the authorizer; or, where nobody can be asked, what refuses all that asks for it.

    An authorizer that speaks HTTP cannot judge connections and is left out on TCP, as in Istio.
    """
    enforced, _ = _by_dry_run(of)
    decided = authorizer.of(enforced)
    if decided is None:
        rules = _rbac(RBAC.DENY, enforced, tcp, trust, after=UNDECIDABLE) if enforced else None
        return _filter(FilterSlot.CUSTOM, tcp, rules=rules)
    if not tcp:
        return authorizer.http_filter(decided)
    return authorizer.network_filter(decided) if decided.grpc else _filter(FilterSlot.CUSTOM, tcp)


def _by_dry_run(of: Authorization) -> tuple[tuple[PolicyRules, ...], tuple[PolicyRules, ...]]:
    """The policies that are enforced, and those that are only tried."""
    return (
        tuple(policy for policy in of.policies if not policy.dry_run),
        tuple(policy for policy in of.policies if policy.dry_run),
    )


def _filter(
    slot: FilterSlot,
    tcp: bool,
    *,
    rules: RBAC | None = None,
    shadow_rules: RBAC | None = None,
    shadow_prefix: str = "",
) -> Message:
    prefix = shadow_prefix if shadow_rules is not None else ""
    if tcp:
        return network_rbac.RBAC(
            rules=rules, shadow_rules=shadow_rules, shadow_rules_stat_prefix=prefix, stat_prefix=f"{slot.value}."
        )
    return http_rbac.RBAC(rules=rules, shadow_rules=shadow_rules, shadow_rules_stat_prefix=prefix)


def _rbac(
    action: RBAC.Action,
    policies: Iterable[PolicyRules],
    tcp: bool,
    trust: TrustDomains,
    *,
    before: str = "",
    after: str = "",
) -> RBAC:
    found: dict[str, Policy] = {}
    for policy in policies:
        if not policy.rules:
            found[f"{before}{policy_key(policy, 0)}{after}"] = _NEVER
        for index, rule in enumerate(policy.rules):
            seen = seen_on_tcp(rule, policy.action) if tcp else rule
            if seen is not None:
                found[f"{before}{policy_key(policy, index)}{after}"] = _policy(
                    seen, trust, narrow=policy.action is Action.ALLOW
                )
    return RBAC(action=action, policies=found)


def _policy(rule: Rule, trust: TrustDomains, *, narrow: bool) -> Policy:
    """One of the sources and one of the operations, each together with its part of ``when``."""
    asked = tuple(condition for condition in rule.when if is_asked_for(condition))
    asking = tuple(condition for condition in rule.when if not is_asked_for(condition))
    return Policy(
        permissions=[permission((*each, *asked)) for each in rule.operations or ((),)],
        principals=[principal((*each, *asking), trust, narrow=narrow) for each in rule.sources or ((),)],
    )


_NEVER: Final = Policy(
    permissions=[Permission(not_rule=Permission(any=True))], principals=[Principal(not_id=Principal(any=True))]
)
