"""What AuthorizationPolicies are read as, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.translators.authorization_policies import GARBAGE, MESH, build, policies, policy, read, translated
from xds.model.filters import FilterSlot
from xds.model.problem import Severity
from xds.translators.authorization.policy import Action, Attribute, Condition, PolicyRules, Rule, request_principal

A = Attribute


def rule(plain: dict[str, Any]) -> Rule:
    found, problems = read({"rules": [plain]})
    assert found is not None, problems
    assert problems == []
    return found.rules[0]


def source(plain: dict[str, Any]) -> list[Condition]:
    return list(rule({"from": [{"source": plain}]}).sources[0])


def test_nothing_is_an_allow_without_rules() -> None:
    found, problems = read({})
    assert isinstance(found, PolicyRules)
    assert (found.action, found.rules, found.dry_run, problems) == (Action.ALLOW, (), False, [])
    assert str(found.ref) == "AuthorizationPolicy shop/p"


def test_a_rule_has_alternatives_and_conditions() -> None:
    found = rule(
        {
            "from": [{"source": {"namespaces": ["a"]}}, {"source": {"namespaces": ["b"], "notIpBlocks": ["10.0.0.1"]}}],
            "to": [{"operation": {"methods": ["GET"], "notPaths": ["/x"]}}],
            "when": [{"key": "source.ip", "values": ["10.0.0.0/8"], "notValues": ["10.0.0.0/9"]}],
        }
    )
    assert found == Rule(
        sources=(
            (Condition(A.NAMESPACE, ("a",)),),
            (Condition(A.NAMESPACE, ("b",)), Condition(A.PEER_ADDRESS, (), ("10.0.0.1/32",))),
        ),
        operations=((Condition(A.METHOD, ("GET",)), Condition(A.PATH, (), ("/x",))),),
        when=(Condition(A.PEER_ADDRESS, ("10.0.0.0/8",), ("10.0.0.0/9",)),),
    )


@pytest.mark.parametrize(
    ("field", "written", "attribute", "kept"),
    [
        ("principals", "cluster.local/ns/a/sa/b", A.PRINCIPAL, "cluster.local/ns/a/sa/b"),
        ("requestPrincipals", "i/s", A.REQUEST_PRINCIPAL, "i/s"),
        ("serviceAccounts", "web", A.SERVICE_ACCOUNT, "shop/web"),
        ("serviceAccounts", "other/web", A.SERVICE_ACCOUNT, "other/web"),
        ("trustDomains", "td.Example", A.TRUST_DOMAIN, "td.Example"),
        ("ipBlocks", "10.1.2.3/8", A.PEER_ADDRESS, "10.0.0.0/8"),
        ("remoteIpBlocks", "fd00::1", A.REMOTE_ADDRESS, "fd00::1/128"),
    ],
)
def test_a_source(field: str, written: str, attribute: Attribute, kept: str) -> None:
    assert source({field: [written]}) == [Condition(attribute, (kept,))]
    assert source({f"not{field[0].upper()}{field[1:]}": [written]}) == [Condition(attribute, (), (kept,))]


@pytest.mark.parametrize(
    ("key", "attribute", "names"),
    [
        ("remote.ip", A.REMOTE_ADDRESS, ()),
        ("source.serviceAccount", A.SERVICE_ACCOUNT, ()),
        ("request.headers[X-User]", A.HEADER, ("x-user",)),
        ("request.headers[:method]", A.HEADER, (":method",)),
        ("request.auth.claims[groups]", A.CLAIM, ("groups",)),
        ("request.auth.claims[https://a.b/c][d]", A.CLAIM, ("https://a.b/c", "d")),
        ("experimental.envoy.filters.a.b[c.d]", A.FILTER_METADATA, ("envoy.filters.a.b", "c.d")),
    ],
)
def test_a_key(key: str, attribute: Attribute, names: tuple[str, ...]) -> None:
    value = "10.0.0.1" if key.endswith(".ip") else "a"
    (condition,) = rule({"when": [{"key": key, "values": [value]}]}).when
    assert (condition.attribute, condition.key) == (attribute, names)


@pytest.mark.parametrize(
    "key", ["source", "source.user", "request.headers", "request.headers[]", "request.auth.claims[]", "a", "sourceXip"]
)
def test_no_key(key: str) -> None:
    _, problems = read({"rules": [{"when": [{"key": key, "values": ["a"]}]}]})
    assert problems == ["rules[0].when[0].key authorization.key-unknown"]


@pytest.mark.parametrize("path", ["/{*}", "/{**}", "/a/{*}/b/{**}", "/{**}/c", "/{*}/{**}/a.b-c~1/", "/%20/{*}"])
def test_a_template(path: str) -> None:
    assert rule({"to": [{"operation": {"paths": [path]}}]}).operations == ((Condition(A.PATH, (path,)),),)


@pytest.mark.parametrize(
    "path",
    [
        *("{*}", "a/{*}", "/a{*}", "/{*}b", "/{a}", "/{}", "/{*}//b", "/{**}/{*}", "/{**}/{**}", "/{*}/*", "/{*}/a b"),
        *("/}", "/{*}/é", "/{*}?x=y", f"/{{*}}/{'a' * 256}"),
    ],
)
def test_no_template(path: str) -> None:
    _, problems = read({"rules": [{"to": [{"operation": {"paths": [path]}}]}]})
    assert problems == ["rules[0].to[0].operation.paths[0] authorization.path-template"]


def test_a_server_name_is_kept_in_lower_case() -> None:
    (condition,) = rule({"when": [{"key": "connection.sni", "values": ["WWW.Example.com"]}]}).when
    assert condition.values == ("www.example.com",)


@pytest.mark.parametrize(
    ("text", "dry", "codes"),
    [
        ("true", True, []),
        ("1", True, []),
        ("false", False, []),
        ("", False, ["authorization.dry-run"]),
        ("yes", False, ["authorization.dry-run"]),
    ],
)
def test_a_dry_run(text: str, dry: bool, codes: list[str]) -> None:
    found, problems = read({}, dry_run=text)
    assert found is not None
    assert found.dry_run is dry
    assert [each.rpartition(" ")[2] for each in problems] == codes


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("*", ("*", "*")),
        ("https://i/s", ("https://i", "s")),
        ("https://i/*", ("https://i", "*")),
        ("*/s", ("*", "s")),
        ("*i/s", ("*i", "s")),
        ("i*", ("i*", "*")),
        ("*s", ("*", "*s")),
        ("joe", ("joe", "")),
    ],
)
def test_issuer_and_subject(pattern: str, parts: tuple[str, str]) -> None:
    assert request_principal(pattern) == parts


@given(policies())
def test_what_is_right_is_translated(manifests: list[dict[str, Any]]) -> None:
    graph, problems = build(MESH, *manifests)
    assert [problem for problem in problems if problem.severity is Severity.ERROR] == []
    assert len(translated(graph)) == sum(1 if slot.http_only else 2 for slot in FilterSlot)


@given(GARBAGE, st.one_of(st.none(), st.text(max_size=5)))
def test_garbage_is_a_finding(spec: object, dry_run: str | None) -> None:
    graph, problems = build(MESH, policy(spec, dry_run=dry_run))
    assert not [problem for problem in problems if problem.code.startswith("internal.")]
    assert len(translated(graph)) == sum(1 if slot.http_only else 2 for slot in FilterSlot)


@pytest.mark.parametrize(
    ("spec", "codes"),
    [
        ({"action": "DENY"}, ["authorization.no-rules"]),
        ({"action": "AUDIT", "rules": []}, ["authorization.no-rules"]),
        ({"rules": [{"to": [{"operation": {"paths": ["pkg.Service/Do"]}}]}]}, ["authorization.path"]),
        ({"rules": [{"to": [{"operation": {"paths": ["*", "/", "*.js", "/a*"]}}]}]}, []),
        ({"rules": [{"to": [{"operation": {"hosts": ["http://a.example"]}}]}]}, ["authorization.host"]),
        ({"rules": [{"to": [{"operation": {"hosts": ["a.example:*", "[::1]:80"]}}]}]}, []),
        ({"rules": [{"from": [{"source": {"principals": ["a/ns/b/serviceaccount/c"]}}]}]}, ["authorization.principal"]),
    ],
)
def test_what_never_matches_is_a_warning(spec: dict[str, Any], codes: list[str]) -> None:
    found, problems = read(spec)
    assert found is not None
    assert [each.rpartition("[")[2].rstrip("]").rpartition(" ")[2] for each in problems] == codes
