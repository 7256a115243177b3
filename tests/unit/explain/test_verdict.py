"""The verdict of a request: each attribute, each stage, what it says of the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from xds.explain.matching import normalized, path
from xds.explain.request import HttpRequest, Refused, Request
from xds.explain.verdict import Guard, Outcome, Stage, Verdict, verdict
from xds.model.identity import TrustDomains
from xds.model.provider import ExternalAuthorizer
from xds.model.refs import ObjectRef
from xds.model.route import Destination
from xds.model.security import Mtls, MtlsMode
from xds.translators.authorization.policy import Action, Attribute, Authorization, Condition, PolicyRules, Rule
from xds.translators.request_authentication.policy import RequestAuthentication

TRUST = TrustDomains("mesh.example", ("old.example",))
WEB = "mesh.example/ns/shop/sa/web"
CLAIMS: Mapping[str, Any] = {
    "iss": "issuer.example",
    "sub": "ann",
    "aud": ["shop", "else"],
    "azp": "app",
    "group": ["staff"],
    "realm": {"role": "admin"},
    "level": 3,
}
HTTP = HttpRequest(
    "POST", "/a/b?q=1", "Web.shop:80", (("x-user", "ann"), ("X-User", "bob"), ("x-empty", "")), token=CLAIMS
)
REQUEST = Request(8080, WEB, "10.0.0.1", "10.0.0.9", "outbound_.80_._.web.shop.svc.cluster.local", HTTP)
TCP = Request(9000, WEB, "10.0.0.1", "10.0.0.9")


def policy(action: Action, *rules: Rule, name: str = "p", **more: Any) -> PolicyRules:
    return PolicyRules(ObjectRef("security.istio.io", "AuthorizationPolicy", "shop", name), action, rules, **more)


def when(attribute: Attribute, *values: str, no: tuple[str, ...] = (), key: tuple[str, ...] = ()) -> Rule:
    return Rule(when=(Condition(attribute, values, no, key),))


def guard(*policies: PolicyRules, mode: MtlsMode = MtlsMode.PERMISSIVE) -> Guard:
    return Guard(Authorization(policies), RequestAuthentication(), Mtls(mode), TRUST)


def judged(*policies: PolicyRules, request: Request = REQUEST, mode: MtlsMode = MtlsMode.PERMISSIVE) -> Verdict:
    return verdict(guard(*policies, mode=mode), request)


A = Attribute
MATCHES: list[tuple[Attribute, tuple[str, ...], list[str], list[str]]] = [
    (
        A.PRINCIPAL,
        (),
        [WEB, "mesh.example/*", "*/sa/web", "*", "old.example/ns/shop/sa/web", "cluster.local/ns/shop/*"],
        ["mesh.example/ns/shop/sa/we", "new.example/ns/shop/sa/web", "*/sa/we"],
    ),
    (A.NAMESPACE, (), ["shop", "s*", "*p", "*"], ["sho", "op", "web"]),
    (A.SERVICE_ACCOUNT, (), ["shop/web"], ["other/web", "shop/we"]),
    (A.TRUST_DOMAIN, (), ["mesh.example", "old.example", "*.example"], ["new.example"]),
    (A.PEER_ADDRESS, (), ["10.0.0.1", "10.0.0.0/24", "10.0.0.7/24"], ["10.0.0.2", "::1", "10.0.1.0/24"]),
    (A.REMOTE_ADDRESS, (), ["10.0.0.1"], ["10.0.0.2"]),
    (A.DESTINATION_ADDRESS, (), ["10.0.0.9"], ["10.0.0.1"]),
    (A.PORT, (), ["8080"], ["80"]),
    (A.SNI, (), ["outbound_*", "*.cluster.local", "*"], ["web"]),
    (A.HOST, (), ["web.shop:80", "WEB.SHOP:80", "web*", "*:80", "*"], ["web.shop", "*.shop"]),
    (A.METHOD, (), ["POST", "P*", "*"], ["post", "GET"]),
    (A.PATH, (), ["/a/b", "/a*", "*/b", "*", "/{*}/b", "/a/{**}", "/{**}/b"], ["/a", "/a/b?q=1", "/{*}", "/a/b/{*}"]),
    (A.HEADER, ("x-user",), ["ann,bob", "ann*", "*bob", "*"], ["ann", "Ann*"]),
    (A.HEADER, ("x-none",), [], ["*", "x"]),
    (
        A.REQUEST_PRINCIPAL,
        (),
        ["iss*", "*nn", "issuer.example/ann", "issuer.example/*", "*/ann", "*"],
        ["issuer.example/bob", "x/*"],
    ),
    (A.AUDIENCES, (), ["shop", "el*"], ["shop,else", "sho"]),
    (A.PRESENTER, (), ["app", "*"], ["ap"]),
    (A.CLAIM, ("group",), ["staff"], ["sta"]),
    (A.CLAIM, ("realm", "role"), ["adm*"], ["x"]),
    (A.CLAIM, ("level",), [], ["3", "*"]),
]
CASES = [
    (attribute, key, value, expected)
    for attribute, key, hits, misses in MATCHES
    for expected, values in ((True, hits), (False, misses))
    for value in values
]


@pytest.mark.parametrize(("attribute", "key", "value", "expected"), CASES, ids=str)
def test_what_matches(attribute: Attribute, key: tuple[str, ...], value: str, expected: bool) -> None:
    assert judged(policy(Action.ALLOW, when(attribute, value, key=key))).allowed is expected
    assert judged(policy(Action.ALLOW, when(attribute, no=(value,), key=key))).allowed is not expected
    assert judged(policy(Action.DENY, when(attribute, value, key=key))).allowed is not expected


def test_plaintext_has_no_identity() -> None:
    plain = Request(8080, peer="10.0.0.1", http=HTTP)
    for attribute in (A.PRINCIPAL, A.NAMESPACE, A.SERVICE_ACCOUNT, A.TRUST_DOMAIN, A.SNI):
        assert not judged(policy(Action.ALLOW, when(attribute, "*")), request=plain).allowed
        assert judged(policy(Action.ALLOW, when(attribute, no=("*",))), request=plain).allowed


@pytest.mark.parametrize(
    ("forwarded", "remote"),
    [("192.0.2.1", "192.0.2.1"), ("192.0.2.1, 192.0.2.2", "192.0.2.2"), ("nonsense", "10.0.0.1"), ("", "10.0.0.1")],
)
def test_where_a_request_started(forwarded: str, remote: str) -> None:
    http = HttpRequest(headers=(("x-forwarded-for", forwarded),))
    assert Request(80, peer="10.0.0.1", http=http).remote == remote


@pytest.mark.parametrize(
    ("template", "hits", "misses"),
    [
        ("/a/{*}", ["/a/b", "/a/b%20c", "/a/x:y@z"], ["/a", "/a/", "/a/b/c", "/a/b*"]),
        ("/a/{**}", ["/a/", "/a/b", "/a/b/c", "/a//"], ["/a", "/b/a/"]),
        ("/{*}/x/{**}/z", ["/a/x/y/z", "/a/x//z", "/a/x/b/c/z"], ["/a/x/z", "//x/y/z"]),
        ("/a.b/{*}", ["/a.b/c"], ["/aXb/c"]),
    ],
)
def test_templates(template: str, hits: list[str], misses: list[str]) -> None:
    assert [path(template, each) for each in hits] == [True] * len(hits)
    assert [path(template, each) for each in misses] == [False] * len(misses)


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("/a/../b", "/b"),
        ("/a/./b?x=/..", "/a/b"),
        ("/a/..", "/"),
        ("/..", "/"),
        ("/a/%2E%2e/b", "/b"),
        ("/a//b", "/a//b"),
    ],
)
def test_paths_are_normalised(written: str, seen: str) -> None:
    assert normalized(written) == seen


def test_a_rule_needs_one_source_one_operation_and_all_conditions() -> None:
    def of(namespace: str, method: str, user: str) -> bool:
        rule = Rule(
            sources=((Condition(A.NAMESPACE, ("x",)),), (Condition(A.NAMESPACE, (namespace,)),)),
            operations=((Condition(A.METHOD, (method,)), Condition(A.PATH, ("/a/b",))),),
            when=(Condition(A.HEADER, (user,), key=("x-user",)),),
        )
        return judged(policy(Action.ALLOW, rule)).allowed

    assert of("shop", "POST", "ann*")
    assert not of("other", "POST", "ann*")
    assert not of("shop", "GET", "ann*")
    assert not of("shop", "POST", "bob*")


def test_no_rules_match_nothing_and_an_empty_rule_everything() -> None:
    assert judged(policy(Action.ALLOW)).outcome is Outcome.DENIED
    assert judged(policy(Action.DENY)).allowed
    assert judged(policy(Action.ALLOW, Rule())).allowed
    assert not judged(policy(Action.DENY, Rule())).allowed


def test_the_order_of_the_stages() -> None:
    allow, deny = policy(Action.ALLOW, Rule(), name="allow"), policy(Action.DENY, Rule(), name="deny")
    found = judged(allow, deny)
    assert (found.outcome, found.stage, found.status) == (Outcome.DENIED, Stage.DENY, 403)
    assert found.policy is not None
    assert (found.policy.name, found.rule) == ("deny", 0)
    refused = Request(8080, WEB, http=HttpRequest(token=Refused("it has expired")))
    found = judged(allow, deny, request=refused)
    assert (found.stage, found.status) == (Stage.TOKEN, 401)
    assert "expired" in found.because
    found = judged()
    assert (found.outcome, found.stage, found.status) == (Outcome.ALLOWED, Stage.ALLOW, 200)
    assert "no ALLOW policy" in found.because


def test_strict_refuses_plaintext_and_foreign_identities() -> None:
    for request in (Request(8080, http=HTTP), Request(8080), Request(8080, "elsewhere/ns/a/sa/b")):
        found = judged(policy(Action.ALLOW, Rule()), request=request, mode=MtlsMode.STRICT)
        assert (found.outcome, found.stage, found.status) == (Outcome.DENIED, Stage.MTLS, 0)
    assert judged(mode=MtlsMode.STRICT).allowed
    assert judged(request=Request(8080, "old.example/ns/a/sa/b"), mode=MtlsMode.STRICT).allowed


def test_disabled_tls_proves_nothing() -> None:
    assert not judged(policy(Action.ALLOW, when(A.PRINCIPAL, "*")), mode=MtlsMode.DISABLE).allowed


def test_without_a_sidecar_nothing_is_in_force() -> None:
    open_house = replace(guard(policy(Action.DENY, Rule()), mode=MtlsMode.STRICT), sidecar=False)
    assert verdict(open_house, Request(8080)).stage is Stage.NO_SIDECAR


def test_on_a_plain_connection_allow_loses_the_rule_and_deny_the_condition() -> None:
    narrow = Rule(operations=((Condition(A.METHOD, ("GET",)),),))
    mixed = Rule(sources=((Condition(A.NAMESPACE, ("nobody",)), Condition(A.REQUEST_PRINCIPAL, ("*",))),))
    assert not judged(policy(Action.ALLOW, narrow), request=TCP).allowed
    assert not judged(policy(Action.DENY, narrow), request=TCP).allowed
    assert judged(policy(Action.DENY, mixed), request=TCP).allowed
    assert judged(policy(Action.ALLOW, narrow, Rule()), request=TCP).allowed
    found = judged(policy(Action.ALLOW, narrow), request=TCP)
    assert found.status == 0
    assert "plain connection" in found.considered[0].misses[0]


def test_custom_asks_unless_something_else_denies() -> None:
    authorizer = ExternalAuthorizer("opa", Destination("opa.shop.svc.cluster.local", "", 80), grpc=True)
    asks = policy(Action.CUSTOM, Rule(), name="asks", provider="opa", authorizer=authorizer)
    found = judged(asks)
    assert (found.outcome, found.asks, found.allowed) == (Outcome.ASKS, "opa", True)
    assert judged(asks, policy(Action.DENY, Rule())).outcome is Outcome.DENIED
    unknown = policy(Action.CUSTOM, Rule(), provider="opa")
    found = judged(unknown)
    assert (found.outcome, found.stage, found.status) == (Outcome.DENIED, Stage.CUSTOM, 403)
    assert judged(policy(Action.CUSTOM, when(A.METHOD, "GET"), provider="opa")).outcome is Outcome.ALLOWED


def test_custom_comes_before_tokens() -> None:
    asks = policy(Action.CUSTOM, when(A.REQUEST_PRINCIPAL, "*"), provider="opa")
    assert judged(asks).outcome is Outcome.ALLOWED


def test_audit_changes_nothing_and_is_told() -> None:
    found = judged(policy(Action.AUDIT, Rule(), name="a"), policy(Action.AUDIT, when(A.METHOD, "GET"), name="b"))
    assert found.outcome is Outcome.ALLOWED
    assert [each.ref.name for each in found.audited] == ["a"]


def test_dry_run_changes_nothing_and_tells_what_it_would() -> None:
    found = judged(policy(Action.DENY, Rule(), name="dry", dry_run=True))
    assert found.outcome is Outcome.ALLOWED
    assert [each.ref.name for each in found.shadow] == ["dry"]
    assert found.enforced is not None
    assert (found.enforced.outcome, found.enforced.stage) == (Outcome.DENIED, Stage.DENY)
    assert judged().enforced is None
    assert judged(policy(Action.ALLOW, dry_run=True)).outcome is Outcome.ALLOWED


def test_the_reasons_name_attribute_value_and_what_would_be_right() -> None:
    found = judged(policy(Action.ALLOW, when(A.METHOD, "GET", "HEAD"), when(A.HEADER, no=("*",), key=("x-user",))))
    assert found.considered[0].misses == (
        "rules[0]: operation.methods is 'POST', must be 'GET' or 'HEAD'",
        "rules[1]: request.headers[x-user] is 'ann,bob', must be not '*'",
    )


FEDERATED = TrustDomains("mesh.example", ("old.example",), ("partner.example", "rival.example"))
OURS, THEIRS = "mesh.example/ns/shop/sa/web", "partner.example/ns/shop/sa/web"


@pytest.mark.parametrize(
    "condition, ours, theirs",
    [
        (Condition(A.PRINCIPAL, ("mesh.example/ns/shop/sa/web",)), True, False),
        (Condition(A.PRINCIPAL, ("*/ns/shop/sa/web",)), True, False),
        (Condition(A.PRINCIPAL, ("*web",)), True, False),
        (Condition(A.PRINCIPAL, ("partner.example/*",)), False, True),
        (Condition(A.PRINCIPAL, ("*",)), True, True),
        (Condition(A.NAMESPACE, ("shop",)), True, False),
        (Condition(A.NAMESPACE, ("*",)), True, False),
        (Condition(A.SERVICE_ACCOUNT, ("shop/web",)), True, False),
        (Condition(A.TRUST_DOMAIN, ("partner.example",)), False, True),
        (Condition(A.TRUST_DOMAIN, ("*",)), True, True),
        # What is excluded is excluded of theirs, too.
        (Condition(A.PRINCIPAL, ("*",), ("*/ns/shop/sa/web",)), False, False),
        (Condition(A.PRINCIPAL, ("*",), ("mesh.example/ns/shop/sa/web",)), False, True),
    ],
)
def test_an_allow_policy_means_our_own_callers_unless_it_names_others(
    condition: Condition, ours: bool, theirs: bool
) -> None:
    before = replace(guard(policy(Action.ALLOW, Rule(sources=((condition,),)))), trust=FEDERATED)
    assert verdict(before, replace(REQUEST, principal=OURS)).allowed is ours
    assert verdict(before, replace(REQUEST, principal=THEIRS)).allowed is theirs


def test_a_deny_policy_means_theirs_with_ours() -> None:
    shop, others = Condition(A.NAMESPACE, ("shop",)), Condition(A.NAMESPACE, (), ("shop",))
    for condition, denied in ((shop, True), (others, True)):
        before = replace(guard(policy(Action.DENY, Rule(sources=((condition,),)))), trust=FEDERATED)
        assert (verdict(before, replace(REQUEST, principal=THEIRS)).outcome is Outcome.DENIED) is denied


def test_a_federated_caller_is_let_in_where_no_policy_says_else() -> None:
    assert verdict(replace(guard(), trust=FEDERATED), replace(REQUEST, principal=THEIRS)).allowed
    stranger = replace(REQUEST, principal="unknown.example/ns/shop/sa/web")
    assert verdict(replace(guard(), trust=FEDERATED), stranger).stage is Stage.MTLS


@pytest.mark.parametrize(
    "sent, matched",
    [
        ("/%61dmin", "/admin"),
        ("/%7Eu", "/~u"),
        ("/%5F%2D%41%5a%30", "/_-AZ0"),
        ("/a%2Fb%40%5B%60%7b%7F", "/a%2Fb%40%5B%60%7b%7F"),
        ("/a%2E/b", "/a./b"),
        ('/a|b"c<d>^`{}', "/a%7Cb%22c%3Cd%3E%5E%60%7B%7D"),
        ("/a/..;/admin", "/admin"),
        ("/a/..;x=1/b", "/b"),
        ("/a/.;/b", "/a/b"),
        ("/a/..;", "/"),
        ("/a/.;", "/a/"),
        ("/a/%2e%2e;/b", "/a/..;/b"),
        ("/a/...;/b", "/a/...;/b"),
        ("/a/%252e%252e/b", "/a/%252e%252e/b"),
        ("//admin", "//admin"),
    ],
)
def test_paths_are_normalized_as_by_a_real_envoy(sent: str, matched: str) -> None:
    assert normalized(sent) == matched
