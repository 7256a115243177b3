"""What a workload's proxy answers to a request, computed without a proxy.

The stages are asked in Envoy's order: mutual TLS, CUSTOM, tokens, DENY, ALLOW; AUDIT changes nothing. What cannot be
computed is what an external authorizer says: the verdict names it.
Source: istio-semantics 1.8 to 1.10, 2.5, 4; ``tests/envoy/test_authorization_agrees.py`` holds it against real proxies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from xds.explain.request import Refused, Request
from xds.explain.rules import Considered, consider
from xds.model.identity import TrustDomains
from xds.model.labels import Labels
from xds.model.mesh import Paths
from xds.model.provider import ExternalAuthorizer
from xds.model.refs import ObjectRef
from xds.model.security import Mtls, MtlsMode, has_sidecar
from xds.model.snapshot import Table
from xds.translators.authorization.policy import Action, Authorization, PolicyRules
from xds.translators.request_authentication.policy import RequestAuthentication
from xds.view.filters import attached
from xds.view.graph import Read
from xds.view.mutual_tls import mtls
from xds.view.scope import mesh


class Outcome(Enum):
    """What becomes of a request; ASKS is allowed if the external authorizer allows it."""

    ALLOWED = "allowed"
    DENIED = "denied"
    ASKS = "asks"


class Stage(Enum):
    """What decided."""

    NO_SIDECAR = "no sidecar"
    MTLS = "mTLS"
    CUSTOM = "CUSTOM"
    TOKEN = "RequestAuthentication"
    DENY = "DENY"
    ALLOW = "ALLOW"


_UNREACHED: Final = 503


@dataclass(frozen=True, slots=True)
class Guard:
    """What stands before a workload; without a ``sidecar`` nothing does."""

    authorization: Authorization
    authentication: RequestAuthentication
    mtls: Mtls
    trust: TrustDomains
    sidecar: bool = True
    paths: Paths = Paths.BASE


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, what decided, and what was considered on the way.

    ``status`` is the HTTP status; 0 where a connection is closed instead. ``policy`` and ``rule`` decided, None where
    no single one did. ``asks`` is the external authorizer by name. ``enforced`` is the verdict if dry-run policies
    were in force; None when there are none.
    """

    outcome: Outcome
    stage: Stage
    status: int
    because: str
    policy: ObjectRef | None = None
    rule: int | None = None
    considered: tuple[Considered, ...] = ()
    asks: str = ""
    enforced: Verdict | None = None

    @property
    def allowed(self) -> bool:
        """Whether it is let through, should an external authorizer agree."""
        return self.outcome is not Outcome.DENIED

    @property
    def audited(self) -> tuple[Considered, ...]:
        """The AUDIT policies that match; none where the request did not come as far."""
        return tuple(each for each in self.considered if each.action is Action.AUDIT and each.in_force)

    @property
    def shadow(self) -> tuple[Considered, ...]:
        """The dry-run policies that were considered, whether they match or not."""
        return tuple(each for each in self.considered if each.dry_run)


OUTSIDE: Final = Guard(Authorization(), RequestAuthentication(), Mtls(), TrustDomains(), sidecar=False)
"""What stands before an address that is no pod of the mesh: nothing of it."""


def guard(read: Read, namespace: str, labels: Labels) -> Guard:
    """What stands before the workloads of a namespace that have these labels."""
    settings = read.get(mesh)
    policies = read.get(attached, namespace, labels)
    authentication = (policies.get(RequestAuthentication) or RequestAuthentication()).keyed(
        lambda name: read.first(Table.KEY_SET, name)
    )
    authorization = (policies.get(Authorization) or Authorization()).provided(settings.authorizer)
    takes = read.get(mtls, namespace, labels)
    return Guard(authorization, authentication, takes, settings.trust, has_sidecar(labels), settings.paths)


def verdict(guard: Guard, request: Request) -> Verdict:
    """What becomes of the request."""
    if request.broken_off:
        status = _UNREACHED if request.http is not None else 0
        return Verdict(Outcome.DENIED, Stage.MTLS, status, request.broken_off)
    if not guard.sidecar:
        return Verdict(Outcome.ALLOWED, Stage.NO_SIDECAR, _passed(request), "nothing is in force without a sidecar")
    mode = guard.mtls.at(request.port)
    refused = _unproven(guard, mode, request)
    if refused is not None:
        return refused
    # Who is taken in plaintext only has proven nothing.
    seen = replace(request, principal="", sni="") if mode is MtlsMode.DISABLE else request
    if seen.http is not None:
        seen = replace(seen, http=replace(seen.http, paths=guard.paths))
    found = _authorized(guard, seen, guard.authorization.policies)
    if not any(policy.dry_run for policy in guard.authorization.policies):
        return found
    in_force = tuple(replace(policy, dry_run=False) for policy in guard.authorization.policies)
    return replace(found, enforced=_authorized(guard, seen, in_force))


def _passed(request: Request) -> int:
    return 200 if request.http is not None else 0


def _refusal(request: Request) -> int:
    return 403 if request.http is not None else 0


def _unproven(guard: Guard, mode: MtlsMode, request: Request) -> Verdict | None:
    """The refusal of a caller that does not prove who it is; None when mutual TLS lets it in."""
    if mode is MtlsMode.STRICT and not request.principal:
        because = f"port {request.port} takes mutual TLS only (STRICT), and the caller speaks plaintext"
        return Verdict(Outcome.DENIED, Stage.MTLS, 0, because)
    domain = request.principal.partition("/")[0]
    if mode is not MtlsMode.DISABLE and request.principal and domain not in guard.trust.believed:
        believed = ", ".join(guard.trust.believed)
        because = f"the caller's trust domain {domain!r} is none that the mesh believes: {believed}"
        return Verdict(Outcome.DENIED, Stage.MTLS, 0, because)
    return None


def _authorized(guard: Guard, request: Request, policies: Iterable[PolicyRules]) -> Verdict:
    known = tuple(policies)
    # CUSTOM comes before tokens are read.
    custom = _look(known, Action.CUSTOM, _without_token(request), guard.trust)
    asked = _authorizer(known)
    asks = asked is not None and _asks(asked, custom, request)
    found = (None if asked else _undecidable(custom, request)) or _token(request)
    considered = custom
    if found is None:
        audit, deny, allow = (
            _look(known, action, request, guard.trust) for action in (Action.AUDIT, Action.DENY, Action.ALLOW)
        )
        considered = (*custom, *audit, *deny, *allow)
        found = _denied(deny, request) or _allowed(allow, request)
    if asked is not None and asks:
        found = replace(found, asks=asked.name)
        if found.outcome is Outcome.ALLOWED:
            because = f"{asked.name} is asked, who may refuse; else {found.because}"
            found = replace(found, outcome=Outcome.ASKS, because=because)
    return replace(found, considered=considered)


def _without_token(request: Request) -> Request:
    return request if request.http is None else replace(request, http=replace(request.http, token=None))


def _look(
    policies: Iterable[PolicyRules], action: Action, request: Request, trust: TrustDomains
) -> tuple[Considered, ...]:
    return tuple(consider(policy, request, trust) for policy in policies if policy.action is action)


def _authorizer(policies: Iterable[PolicyRules]) -> ExternalAuthorizer | None:
    """The one that all CUSTOM policies in force name and the mesh knows; a workload has no second one."""
    custom = [policy for policy in policies if policy.action is Action.CUSTOM and not policy.dry_run]
    found = {policy.provider: policy.authorizer for policy in custom}
    return next(iter(found.values())) if len(found) == 1 else None


def _asks(authorizer: ExternalAuthorizer, custom: Iterable[Considered], request: Request) -> bool:
    """Whether a match in force leads to the authorizer; one that speaks HTTP judges no connections."""
    return (authorizer.grpc or request.http is not None) and any(each.in_force for each in custom)


def _undecidable(custom: Iterable[Considered], request: Request) -> Verdict | None:
    """The refusal where a match asks for an authorizer that is not known, or policies ask for different ones."""
    for each in custom:
        if each.in_force:
            because = f"{each.ref} asks an external authorizer, and there is not one that MeshConfig knows"
            return Verdict(Outcome.DENIED, Stage.CUSTOM, _refusal(request), because, each.ref, each.rule)
    return None


def _token(request: Request) -> Verdict | None:
    token = request.http.token if request.http is not None else None
    if not isinstance(token, Refused):
        return None
    return Verdict(Outcome.DENIED, Stage.TOKEN, token.status, f"its token is refused: {token.reason}")


def _denied(deny: Iterable[Considered], request: Request) -> Verdict | None:
    for each in deny:
        if each.in_force:
            because = f"rules[{each.rule}] of {each.ref} denies it"
            return Verdict(Outcome.DENIED, Stage.DENY, _refusal(request), because, each.ref, each.rule)
    return None


def _allowed(allow: Iterable[Considered], request: Request) -> Verdict:
    in_force = [each for each in allow if not each.dry_run]
    if not in_force:
        return Verdict(Outcome.ALLOWED, Stage.ALLOW, _passed(request), "no ALLOW policy is about this workload")
    for each in in_force:
        if each.matched:
            because = f"rules[{each.rule}] of {each.ref} allows it"
            return Verdict(Outcome.ALLOWED, Stage.ALLOW, _passed(request), because, each.ref, each.rule)
    if len(in_force) == 1:
        because = "the only ALLOW policy does not match"
        return Verdict(Outcome.DENIED, Stage.ALLOW, _refusal(request), because, in_force[0].ref)
    because = f"none of {len(in_force)} ALLOW policies matches"
    return Verdict(Outcome.DENIED, Stage.ALLOW, _refusal(request), because)
