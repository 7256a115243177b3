"""From entries to named refusals: workloads by address, policies at their place, counts within bounds, a quiet log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from tests.objects import applied, written
from tests.unit.audit.captured import entry, request
from xds.audit.audit import Audit
from xds.audit.record import LATEST, MAX_COUNTS, OTHERS, Record, Wanted
from xds.audit.refusal import Blame, Kind, Party, Refusal, Stage
from xds.decoders.build import Builder
from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.server import Denied, Node, Peer, Reason

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
MESH = """
{apiVersion: v1, kind: Pod, metadata: {name: web-0, namespace: shop, labels: {app: web}}, status: {podIP: 10.0.0.2},
 spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: client, namespace: c, labels: {app: client}},
 status: {podIP: 127.0.0.1}, spec: {containers: [{name: c}]}}
---
{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: ok, namespace: shop},
 spec: {rules: [{}]}}
---
{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: tight, namespace: shop,
 annotations: {istio.io/dry-run: "true"}}, spec: {rules: [{}]}}
---
{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: default, namespace: shop},
 spec: {mtls: {mode: STRICT}}}
---
{apiVersion: security.istio.io/v1, kind: RequestAuthentication, metadata: {name: jwt, namespace: shop},
 spec: {selector: {matchLabels: {app: web}}, jwtRules: [{issuer: i, jwksUri: "https://i/keys"}]}}
---
{apiVersion: security.istio.io/v1, kind: RequestAuthentication, metadata: {name: others, namespace: shop},
 spec: {selector: {matchLabels: {app: other}}, jwtRules: [{issuer: o, jwksUri: "https://o/keys"}]}}
"""
PROXY = Proxy("p", namespace="shop", name="web-0", labels=labels({"app": "web"}), addresses=("10.0.0.2",))


@pytest.fixture
def audit() -> Audit:
    snapshot = applied(Builder(), written(MESH)).snapshot
    return Audit(lambda: snapshot, lambda ref: f"{ref.name}.yaml:1")


def refusals(audit: Audit, *names: str) -> list[Refusal]:
    audit.take(PROXY, [entry(name) for name in names], 0)
    return [each.refusal for each in audit.record.latest(Wanted())]


def blamed(refusal: Refusal) -> list[tuple[str, int | None, str]]:
    return [(each.object.name, each.rule, each.origin) for each in refusal.policies]


def test_who_and_whom(audit: Audit) -> None:
    [one] = refusals(audit, "deny")
    assert (one.source.label, one.source.pod, one.source.proven) == ("c/client", "client", True)
    assert (one.destination.label, one.destination.address) == ("shop/web-0", "10.0.0.2")
    assert (one.request, one.answer) == ("GET a.b/deny", "403")


@pytest.mark.parametrize(
    "name, expected",
    [
        ("deny", [("no", 0, "no.yaml:1")]),
        ("none", [("ok", None, "ok.yaml:1")]),
        ("dry allow", [("tight", None, "tight.yaml:1")]),
        ("plain to strict", [("default", None, "default.yaml:1")]),
    ],
)
def test_which_objects(audit: Audit, name: str, expected: list[Any]) -> None:
    [one] = refusals(audit, name)
    assert blamed(one) == expected


def test_a_token_is_refused_by_those_who_are_attached(audit: Audit) -> None:
    message = request()
    message.response.response_code_details = "jwt_authn_access_denied{Jwt_is_expired}"
    audit.take(PROXY, [message], 0)
    [one] = audit.record.latest(Wanted())
    assert blamed(one.refusal) == [("jwt", None, "jwt.yaml:1")]


def test_the_proxy_is_whom_the_stream_has_proven(audit: Audit) -> None:
    unknown = Proxy("q", namespace="shop", name="gone", addresses=("10.0.0.9",))
    audit.take(unknown, [entry("deny")], 0)
    [one] = audit.record.latest(Wanted())
    assert one.refusal.destination == Party("shop", "gone", "gone", "10.0.0.9")


def test_a_flood_is_one_event(audit: Audit) -> None:
    with structlog.testing.capture_logs() as logs:
        refusals(audit, *["deny"] * 100, "none")
    assert [each["event"] for each in logs] == ["request refused", "request refused"]
    assert [each["policies"] for each in logs] == [["AuthorizationPolicy shop/no"], ["AuthorizationPolicy shop/ok"]]
    [(_, count), _] = audit.record.counts()
    assert count.times == 100


def test_what_was_dropped_is_counted(audit: Audit) -> None:
    audit.take(PROXY, [], 7)
    assert audit.record.dropped == 7


@pytest.mark.parametrize(
    "address, label", [("ipv4:127.0.0.1:4242", "c/client"), ("ipv6:%5B::9%5D:1", "::9"), ("unix:", "unix")]
)
async def test_who_is_denied_a_stream_is_told(audit: Audit, address: str, label: str) -> None:
    async def admit(node: Node, peer: Peer) -> str:
        raise Denied("the proxy says that its namespace is 'shop'")

    with pytest.raises(Denied):
        await audit.watching(admit)(Node("sidecar~x"), Peer(address))
    [(_, one)] = audit.record.latest(Wanted())
    assert (one.stage, one.request, one.source.label) == (Stage.XDS, "xDS", label)
    assert (one.source.principal, one.source.proven) == ("sidecar~x", False)
    assert (one.destination.label, one.why) == ("control plane", "the proxy says that its namespace is 'shop'")


async def test_a_stream_that_shall_come_again_is_no_refusal(audit: Audit) -> None:
    async def admit(node: Node, peer: Peer) -> str:
        raise Denied("not now", Reason.UNAVAILABLE)

    with pytest.raises(Denied):
        await audit.watching(admit)(Node("p"), Peer(""))
    assert not audit.record.latest(Wanted())


# -- the record

POLICY = ObjectRef("security.istio.io", "AuthorizationPolicy", "shop", "no")
REFUSAL = Refusal(
    NOW,
    Kind.REFUSED,
    Stage.DENY,
    "why",
    Party("c", "client"),
    Party("shop", "web", "web-0"),
    (Blame(POLICY, 0, "a:1"),),
)


def test_the_latest_are_kept_and_the_lost_are_counted() -> None:
    record = Record()
    for _ in range(LATEST + 5):
        record.add(REFUSAL)
    found = record.latest(Wanted(last=LATEST * 2))
    assert (len(found), found[0].number, found[-1].number) == (LATEST, 6, LATEST + 5)
    assert [each.number for each in record.latest(Wanted(last=2))] == [LATEST + 4, LATEST + 5]
    assert (record.lost(2), record.lost(5), record.lost(LATEST)) == (3, 0, 0)
    assert [each.number for each in record.latest(Wanted(after=LATEST + 3))] == [LATEST + 4, LATEST + 5]


def test_counts_are_bounded() -> None:
    record = Record()
    for number in range(MAX_COUNTS + 10):
        record.add(replace(REFUSAL, source=Party(address=f"10.0.{number // 250}.{number % 250}")))
    counts = dict(record.counts())
    assert len(counts) == MAX_COUNTS + 1
    assert counts[record.add(replace(REFUSAL, source=Party(address="x")))].times == 10
    assert sum(count.times for key, count in counts.items() if key.source == OTHERS) == 10


@pytest.mark.parametrize(
    "wanted, has",
    [
        (Wanted(source="client"), True),
        (Wanted(source="c/client"), True),
        (Wanted(source="client.c"), True),
        (Wanted(source="shop"), False),
        (Wanted(destination="web-0"), True),
        (Wanted(destination="web"), True),
        (Wanted(destination="we"), False),
        (Wanted(kind=Kind.AUDITED), False),
        (Wanted(since=NOW), True),
        (Wanted(since=NOW + timedelta(seconds=1)), False),
    ],
)
def test_what_is_asked_for(wanted: Wanted, has: bool) -> None:
    assert wanted.has(REFUSAL) is has


def test_an_identity_is_a_name_with_and_without_its_scheme() -> None:
    party = Party(principal="spiffe://td/ns/a/sa/b", proven=True)
    assert party.is_called("td/ns/a/sa/b")
    assert party.is_called("spiffe://td/ns/a/sa/b")
    assert party.label == "td/ns/a/sa/b"
    assert replace(party, proven=False).label == "unknown"
