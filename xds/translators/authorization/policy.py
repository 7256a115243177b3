"""Who may do what at a workload: AuthorizationPolicies as values.

Source: istio security/v1 AuthorizationPolicy; the order of evaluation is CUSTOM, DENY, ALLOW (istio-semantics 1.10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from xds.model.filters import FilterSlot
from xds.model.identity import TrustDomains
from xds.model.provider import ExternalAuthorizer
from xds.model.refs import ObjectRef
from xds.model.route import Destination

MESH: Final = "cluster.local"
"""What a policy may call the mesh's own trust domain, whatever its name is (istio-semantics 4.6)."""


class Action(Enum):
    """What a policy does with the requests that one of its rules matches."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    AUDIT = "AUDIT"
    CUSTOM = "CUSTOM"


class Attribute(Enum):
    """What a condition is about; the text is the key that ``when`` has for it (or would have)."""

    PRINCIPAL = "source.principal"
    NAMESPACE = "source.namespace"
    SERVICE_ACCOUNT = "source.serviceAccount"
    TRUST_DOMAIN = "source.trustDomain"
    PEER_ADDRESS = "source.ip"
    REMOTE_ADDRESS = "remote.ip"
    REQUEST_PRINCIPAL = "request.auth.principal"
    AUDIENCES = "request.auth.audiences"
    PRESENTER = "request.auth.presenter"
    CLAIM = "request.auth.claims"
    HEADER = "request.headers"
    HOST = "operation.hosts"
    METHOD = "operation.methods"
    PATH = "operation.paths"
    PORT = "destination.port"
    DESTINATION_ADDRESS = "destination.ip"
    SNI = "connection.sni"
    FILTER_METADATA = "experimental.envoy.filters"

    @property
    def on_tcp(self) -> bool:
        """Whether it can be known of a plain connection (istio-semantics 4.2)."""
        return self in _ON_TCP

    @property
    def of_token(self) -> bool:
        """Whether only the content of a token tells it."""
        return self in _OF_TOKEN


_ON_TCP: Final = frozenset(
    {
        Attribute.PRINCIPAL,
        Attribute.NAMESPACE,
        Attribute.SERVICE_ACCOUNT,
        Attribute.TRUST_DOMAIN,
        Attribute.PEER_ADDRESS,
        Attribute.REMOTE_ADDRESS,
        Attribute.PORT,
        Attribute.DESTINATION_ADDRESS,
        Attribute.SNI,
        Attribute.FILTER_METADATA,
    }
)


_OF_TOKEN: Final = frozenset({Attribute.REQUEST_PRINCIPAL, Attribute.AUDIENCES, Attribute.PRESENTER, Attribute.CLAIM})
_CLAIMS: Final = {Attribute.AUDIENCES: ("aud",), Attribute.PRESENTER: ("azp",)}


@dataclass(frozen=True, slots=True)
class Condition:
    """One attribute with what it must be: any of ``values`` (if there are any), and none of ``not_values``.

    ``key`` is a header's name, a claim's path (``("realm", "role")``), or a filter's name and metadata key; else empty.
    Values are as users write them: exact, ``abc*``, ``*abc``, ``*`` (present); for addresses CIDRs, for ports numbers,
    for paths templates too (``/a/{*}/b``, ``/a/{**}``).
    """

    attribute: Attribute
    values: tuple[str, ...] = ()
    not_values: tuple[str, ...] = ()
    key: tuple[str, ...] = ()

    @property
    def claim(self) -> tuple[str, ...]:
        """The path of the claim that it is about, where it is about one."""
        return _CLAIMS.get(self.attribute, self.key)


All = tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Matches when one of ``sources``, one of ``operations`` and all of ``when`` do; an empty tuple matches always.

    Shape: ``sources`` and ``operations`` are alternatives, each a tuple of conditions that must all hold.
    """

    sources: tuple[All, ...] = ()
    operations: tuple[All, ...] = ()
    when: All = ()


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """One AuthorizationPolicy: matches when one of ``rules`` does, hence never without any.

    ``dry_run``: what it would do is recorded and not done. ``authorizer`` is who decides for CUSTOM: the name, and what
    MeshConfig says of it once the view has filled that in (None: nobody has that name, which denies).
    """

    ref: ObjectRef
    action: Action
    rules: tuple[Rule, ...] = ()
    dry_run: bool = False
    provider: str = ""
    authorizer: ExternalAuthorizer | None = None


def seen_on_tcp(rule: Rule, action: Action) -> Rule | None:
    """What is left of a rule where only connections are seen, not requests; None when it is left out.

    Of ALLOW a rule with anything that cannot be seen is left out (narrower: nothing passes unchecked); of the others
    only the condition is (wider: nothing escapes unseen). Source: istio-semantics 4.3.
    """
    parts = (*rule.sources, *rule.operations, rule.when)
    if all(condition.attribute.on_tcp for part in parts for condition in part):
        return rule
    if action is Action.ALLOW:
        return None
    return Rule(tuple(map(_on_tcp, rule.sources)), tuple(map(_on_tcp, rule.operations)), _on_tcp(rule.when))


def _on_tcp(conditions: All) -> All:
    return tuple(condition for condition in conditions if condition.attribute.on_tcp)


def principals(pattern: str, trust: TrustDomains) -> tuple[str, ...]:
    """The patterns of ids that one stands for: one for each domain that counts as the mesh's, if it names one."""
    domain, slash, path = pattern.partition("/")
    if not slash or domain.startswith("*"):
        return (pattern,)
    return tuple(f"{each}/{path}" for each in domains(domain, trust))


def domains(domain: str, trust: TrustDomains) -> tuple[str, ...]:
    """The trust domains that one stands for: all of the mesh's when it is one of them, else itself."""
    return trust.all if domain == MESH or domain in trust.all else (domain,)


def strangers(attribute: Attribute, pattern: str, trust: TrustDomains) -> tuple[str, ...]:
    """The federated trust domains whose callers a pattern of a caller's id does not mean.

    Only ``*``, and a pattern that names a trust domain, mean callers of other meshes; a namespace or an account is the
    mesh's own. These are to be excluded by name: who owns another mesh's authority can put several ids into one
    certificate, of which Envoy verifies the first and compares all.
    """
    if attribute is Attribute.TRUST_DOMAIN:
        return tuple(each for each in trust.federated if not starred(pattern, each))
    if attribute is not Attribute.PRINCIPAL:
        return trust.federated
    if pattern == "*":
        return ()
    domain, slash, _ = pattern.partition("/")
    return tuple(each for each in trust.federated if not slash or each != domain)


def starred(pattern: str, text: str) -> bool:
    """Whether ``text`` is of a pattern in which each ``*`` is any text; in time that no pattern can make long."""
    first, *between = pattern.split("*")
    if not between:
        return text == pattern
    last, at = between.pop(), len(first)
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    for part in between:
        found = text.find(part, at, len(text) - len(last))
        if found < 0:
            return False
        at = found + len(part)
    return True


def request_principal(pattern: str) -> tuple[str, str]:
    """The patterns of issuer and subject in ``pattern``, which is cut at its last ``/``.

    ``*`` is any of both, ``abc*`` without ``/`` issuers that begin so, ``*abc`` without ``/`` subjects that end so.
    """
    if pattern == "*":
        return "*", "*"
    issuer, slash, subject = pattern.rpartition("/")
    if slash:
        return issuer, subject
    if pattern.startswith("*"):
        return "*", pattern
    return (pattern, "*") if pattern.endswith("*") else (pattern, "")


_SLOTS: Final = {
    FilterSlot.CUSTOM_MATCH: Action.CUSTOM,
    FilterSlot.CUSTOM: Action.CUSTOM,
    FilterSlot.AUDIT: Action.AUDIT,
    FilterSlot.DENY: Action.DENY,
    FilterSlot.ALLOW: Action.ALLOW,
}


@dataclass(frozen=True, slots=True)
class Authorization:
    """All that holds for a workload, the root namespace's policies first, then the oldest."""

    policies: tuple[PolicyRules, ...] = ()

    def merge(self, parent: Authorization) -> Authorization:
        """The policies of both: a narrower scope adds, it replaces nothing."""
        return Authorization(parent.policies + self.policies)

    def in_slot(self, slot: FilterSlot, *, tcp: bool) -> Authorization | None:
        """The policies whose action is carried out in that slot."""
        del tcp
        wanted = _SLOTS.get(slot)
        found = tuple(policy for policy in self.policies if policy.action is wanted)
        return Authorization(found) if found else None

    def provided(self, authorizer_of: Callable[[str], ExternalAuthorizer | None]) -> Authorization:
        """The policies with their authorizers, as MeshConfig has them."""
        return Authorization(
            tuple(
                replace(policy, authorizer=authorizer_of(policy.provider)) if policy.action is Action.CUSTOM else policy
                for policy in self.policies
            )
        )

    def resolved(self, cluster_of: Callable[[Destination], str]) -> Authorization:
        """The policies with the names of their authorizers' clusters."""

        def with_cluster(policy: PolicyRules) -> PolicyRules:
            known = policy.authorizer
            if known is None:
                return policy
            return replace(policy, authorizer=replace(known, cluster=cluster_of(known.service)))

        return Authorization(tuple(map(with_cluster, self.policies)))
