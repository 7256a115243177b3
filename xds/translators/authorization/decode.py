"""Reading AuthorizationPolicies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from xds.kinds import authorization_policy as structs
from xds.model.refs import FieldRef
from xds.translators.authorization import keys
from xds.translators.authorization.policy import Action, All, Attribute, Authorization, Condition, PolicyRules, Rule
from xds.translators.authorization.values import value
from xds.translators.feature import Reading

A = TypeVar("A", structs.From, structs.To)

DRY_RUN: Final = "istio.io/dry-run"
# As Go reads truth values.
_YES: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_NO: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})

# The fields of ``from`` and ``to``: the struct's attribute (and with ``not_``), the field's name, what it is about.
_SOURCE: Final = (
    ("principals", "principals", Attribute.PRINCIPAL),
    ("request_principals", "requestPrincipals", Attribute.REQUEST_PRINCIPAL),
    ("namespaces", "namespaces", Attribute.NAMESPACE),
    ("service_accounts", "serviceAccounts", Attribute.SERVICE_ACCOUNT),
    ("trust_domains", "trustDomains", Attribute.TRUST_DOMAIN),
    ("ip_blocks", "ipBlocks", Attribute.PEER_ADDRESS),
    ("remote_ip_blocks", "remoteIpBlocks", Attribute.REMOTE_ADDRESS),
)
_OPERATION: Final = (
    ("hosts", "hosts", Attribute.HOST),
    ("ports", "ports", Attribute.PORT),
    ("methods", "methods", Attribute.METHOD),
    ("paths", "paths", Attribute.PATH),
)


def authorization(policy: structs.AuthorizationPolicy, at: FieldRef, reading: Reading) -> Authorization:
    """What the object at ``at`` (its spec) says; what is wrong with it is left out and told to ``reading``.

    Problems: authorization.*. Source: istio security/v1 AuthorizationPolicy.
    """
    spec = policy.spec
    action = Action(spec.action)
    rules = tuple(_rule(rule, at / "rules" / index, reading) for index, rule in enumerate(spec.rules))
    provider = _provider(spec, at, reading)
    dry_run = _dry_run(policy, at, reading)
    if action is Action.CUSTOM:
        _check_custom(spec, rules, at, reading)
    elif action is not Action.ALLOW and not rules:
        message = "has none, so that the policy has no effect; rules: [{}] is every request"
        reading.warning(at / "rules", "authorization.no-rules", message)
    return Authorization((PolicyRules(at.object, action, rules, dry_run=dry_run, provider=provider),))


def _provider(spec: structs.AuthorizationPolicySpec, at: FieldRef, reading: Reading) -> str:
    name = spec.provider.name if spec.provider is not None else ""
    if spec.action == "CUSTOM":
        if not name:
            message = "must name an authorizer of MeshConfig's extensionProviders, as the action is CUSTOM"
            reading.error(at / "provider.name", "authorization.no-provider", message)
        return name
    if spec.provider is not None:
        message = f"is for action CUSTOM only, and the action is {spec.action}; leave it out, or write action: CUSTOM"
        reading.error(at / "provider", "authorization.provider-unused", message)
    return ""


def _dry_run(policy: structs.AuthorizationPolicy, at: FieldRef, reading: Reading) -> bool:
    text = policy.metadata.annotations.get(DRY_RUN)
    if text is None or text in _NO:
        return False
    here = (FieldRef(at.object) / "metadata.annotations").key(DRY_RUN)
    if text not in _YES:
        message = f'must be "true" or "false", is {text!r}; until then the policy is enforced'
        reading.warning(here, "authorization.dry-run", message)
        return False
    if policy.spec.action in ("AUDIT", "CUSTOM"):
        message = f"an action {policy.spec.action} cannot be tried: the policy has no effect until this is removed"
        reading.warning(here, "authorization.dry-run-without-effect", message)
    return True


def _check_custom(
    spec: structs.AuthorizationPolicySpec, rules: tuple[Rule, ...], at: FieldRef, reading: Reading
) -> None:
    if not spec.rules:
        message = "has none, so that nothing is ever asked of the authorizer; rules: [{}] is every request"
        reading.warning(at / "rules", "authorization.custom-without-rules", message)
    for index, rule in enumerate(rules):
        parts = (*rule.sources, *rule.operations, rule.when)
        if any(condition.attribute.of_token for part in parts for condition in part):
            message = "asks for a token's content, which is not known yet when an external authorizer is asked"
            reading.warning(at / "rules" / index, "authorization.custom-before-tokens", message)


def _rule(rule: structs.Rule, at: FieldRef, reading: Reading) -> Rule:
    return Rule(
        sources=tuple(
            _source(each.source, at / "from" / index / "source", reading)
            for index, each in enumerate(_alternatives(rule.from_, at / "from", reading))
        ),
        operations=tuple(
            _conditions(each.operation, _OPERATION, at / "to" / index / "operation", reading)
            for index, each in enumerate(_alternatives(rule.to, at / "to", reading))
        ),
        when=tuple(
            condition
            for index, each in enumerate(rule.when)
            if (condition := _condition(each, at / "when" / index, reading)) is not None
        ),
    )


def _alternatives(stated: tuple[A, ...] | None, at: FieldRef, reading: Reading) -> tuple[A, ...]:
    if stated is None:
        return ()
    if not stated:
        reading.error(at, "authorization.no-alternative", "must have at least one item, or be left out to match always")
    return stated


def _source(source: structs.Source | None, at: FieldRef, reading: Reading) -> All:
    if source is not None and (source.service_accounts or source.not_service_accounts):
        named = (source.principals, source.not_principals, source.namespaces, source.not_namespaces)
        if any(named):
            message = "names the same as principals and namespaces do; a source has one or the other"
            reading.error(at / "serviceAccounts", "authorization.account-and-principal", message)
    return _conditions(source, _SOURCE, at, reading)


def _conditions(
    struct: structs.Source | structs.Operation | None,
    fields: Iterable[tuple[str, str, Attribute]],
    at: FieldRef,
    reading: Reading,
) -> All:
    found: list[Condition] = []
    for attribute_name, field, attribute in fields:
        wanted: tuple[str, ...] = getattr(struct, attribute_name, ())
        unwanted: tuple[str, ...] = getattr(struct, f"not_{attribute_name}", ())
        if wanted or unwanted:
            refused = f"not{field[0].upper()}{field[1:]}"
            values = _values(attribute, wanted, at / field, reading)
            found.append(Condition(attribute, values, _values(attribute, unwanted, at / refused, reading)))
    if not found:
        names = ", ".join(field for _, field, _ in fields)
        reading.error(at, "authorization.nothing-asked", f"must have one of {names}, or their not... forms")
    return tuple(found)


def _condition(struct: structs.Condition, at: FieldRef, reading: Reading) -> Condition | None:
    if not struct.key:
        reading.error(at / "key", "authorization.no-key", f"must say what the condition is about; {keys.advice('')}")
        return None
    key = keys.parse(struct.key)
    if key is None:
        message = f"is {struct.key!r}, which is no key of conditions; {keys.advice(struct.key)}"
        reading.error(at / "key", "authorization.key-unknown", message)
        return None
    if not struct.values and not struct.not_values:
        reading.error(at, "authorization.no-values", f"must have values or notValues of {struct.key}")
        return None
    attribute, names = key
    return Condition(
        attribute,
        _values(attribute, struct.values, at / "values", reading),
        _values(attribute, struct.not_values, at / "notValues", reading),
        names,
    )


def _values(attribute: Attribute, texts: tuple[str, ...], at: FieldRef, reading: Reading) -> tuple[str, ...]:
    checked = (value(attribute, text, at / index, reading) for index, text in enumerate(texts))
    return tuple(each for each in checked if each is not None)
