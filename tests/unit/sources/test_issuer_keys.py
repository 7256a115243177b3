"""Key sets as objects: nothing waits for them, each comes when it was read, and goes when nobody names it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.explain.analyze import request_authentication
from xds.model.problem import Severity
from xds.model.refs import ObjectRef
from xds.model.security import KeySet
from xds.model.snapshot import Input, Table
from xds.sources.changes import Changed, Replaced
from xds.sources.issuer_keys import IssuerKeys
from xds.sources.key_sets import KeySetSettings
from xds.view.graph import Graph, call
from xds.view.wanted_keys import wanted_keys

URI = "https://issuer.example/keys"
MANIFEST = f"""
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: users, namespace: shop}}
spec:
  jwtRules:
  - {{issuer: a, jwksUri: "{URI}"}}
  - {{issuer: "https://b.example/"}}
  - {{issuer: c}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: all, namespace: shop}}
"""
REF = ObjectRef("security.istio.io", "RequestAuthentication", "shop", "users")


async def test_it_begins_empty_and_holds_what_is_wanted() -> None:
    keys = IssuerKeys(KeySetSettings(retry=timedelta(hours=1), longest_retry_without=timedelta(hours=1)))
    names = ["ftp://one/", "ftp://two/", "ftp://three/"]
    keys.want(names[:1])
    async with asyncio.timeout(5), aclosing(keys.changes()) as changes:
        assert await anext(changes) == Replaced(keys.name, ())
        found = [await anext(changes)]
        keys.want(names[1:])
        found += [await anext(changes), await anext(changes)]
    assert all(isinstance(each, Changed) for each in found)
    came = [[each.ref.name for each in change.upserts] for change in found if isinstance(change, Changed)]
    assert came[0] == ["ftp://one/"]
    assert sorted(came[1:]) == [["ftp://three/"], ["ftp://two/"]]  # both are asked at once
    assert [[ref.name for ref in change.deletes] for change in found if isinstance(change, Changed)] == [
        [],
        ["ftp://one/"],
        [],
    ]
    builder = Builder()
    snapshot = applied(builder, [each for change in found if isinstance(change, Changed) for each in change.upserts])
    known = snapshot.snapshot.rows(Table.KEY_SET, "ftp://two/")
    assert [(each.uri, each.jwks, bool(each.problem)) for each in known] == [("ftp://two/", "", True)]


def test_policies_want_what_they_name_and_what_discovery_says() -> None:
    snapshot = applied(Builder(), written(MANIFEST)).snapshot
    assert wanted_keys(snapshot) == {URI, "https://b.example/.well-known/openid-configuration"}


@pytest.mark.parametrize(
    ("known", "code", "severity"),
    [
        (KeySet(URI, "", "is down"), "jwt.keys-unknown", Severity.ERROR),
        (KeySet(URI, "{}", "is down"), "jwt.keys-old", Severity.WARNING),
    ],
)
def test_who_names_keys_that_cannot_be_read_is_told(known: KeySet, code: str, severity: Severity) -> None:
    snapshot = applied(Builder(), written(MANIFEST)).snapshot
    snapshot, _ = snapshot.changed({Input(Table.KEY_SET, URI): (known,)})
    found = Graph(snapshot).get(call(request_authentication.check, REF))
    assert [(each.code, each.severity, each.at.dotted) for each in found] == [(code, severity, "spec.jwtRules")]
    assert "is down" in found[0].message


def test_keys_that_are_known_or_not_fetched_yet_are_no_finding() -> None:
    snapshot = applied(Builder(), written(MANIFEST)).snapshot
    assert not Graph(snapshot).get(call(request_authentication.check, REF))
    snapshot, _ = snapshot.changed({Input(Table.KEY_SET, URI): (KeySet(URI, "{}"),)})
    assert not Graph(snapshot).get(call(request_authentication.check, REF))
