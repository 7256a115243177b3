"""RequestAuthentication as a value: how objects add up, how keys come in; and the key that nobody has."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from itertools import count

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from xds.model.filters import FilterSlot
from xds.model.identity import TrustDomains
from xds.model.jwks import public_keys
from xds.model.policy import Filtering, Keyed, Policies
from xds.model.security import KeySet
from xds.translators.request_authentication.envoy import NOBODY, jwt_authn
from xds.translators.request_authentication.policy import JwtRule, RequestAuthentication, in_order

KEYS = '{"keys":[{"e":"AQAB","kty":"RSA","n":"AQAB"}]}'
RULES = st.builds(JwtRule, issuer=st.sampled_from("abc"), audiences=st.sampled_from([(), ("x",)]), jwks=st.just(KEYS))
POLICIES = st.lists(RULES, max_size=4).map(lambda rules: in_order(tuple(rules)))


@given(POLICIES, POLICIES)
def test_merging_adds_and_is_by_issuer(one: RequestAuthentication, other: RequestAuthentication) -> None:
    both = one.merge(other)
    assert set(both.rules) == {*one.rules, *other.rules}
    issuers = [rule.issuer for rule in both.rules]
    assert issuers == sorted(issuers)
    assert both.merge(both) == both


def test_keys_are_filled_in_where_they_are_fetched() -> None:
    rules = (JwtRule("a", jwks=KEYS), JwtRule("b", key_set="u"), JwtRule("c", key_set="v"), JwtRule("d", key_set="w"))
    policy = in_order(rules)
    assert policy.key_sets() == ("u", "v", "w")
    known = {"u": KeySet("u", "new"), "v": KeySet("v", "", "is down")}
    keyed = policy.keyed(known.get)
    assert [rule.jwks for rule in keyed.rules] == [KEYS, "new", "", ""]
    assert keyed.keyed({"u": KeySet("u", "newer")}.get).rules[1].jwks == "newer"
    assert Policies([policy]).that(Keyed) == Policies([policy]).that(Filtering) == (policy,)


@pytest.mark.parametrize("slot", FilterSlot)
def test_it_stands_in_its_own_slot_of_http_chains(slot: FilterSlot) -> None:
    policy = in_order((JwtRule("a", jwks=KEYS),))
    own = slot is FilterSlot.REQUEST_AUTHENTICATION
    assert policy.in_slot(slot, tcp=False) == (policy if own else None)
    assert policy.in_slot(slot, tcp=True) is None
    assert RequestAuthentication().in_slot(slot, tcp=False) is None


def test_each_provider_has_its_keys_and_the_one_that_nobody_has() -> None:
    message = jwt_authn(in_order((JwtRule("a", jwks=KEYS), JwtRule("b", key_set="u"))), False, TrustDomains())
    sent = [json.loads(message.providers[f"origins-{i}"].local_jwks.inline_string)["keys"] for i in range(2)]
    assert sent == [[*json.loads(KEYS)["keys"], dict(NOBODY)], [dict(NOBODY)]]


def test_nobody_can_have_the_private_key() -> None:
    def point(number: int) -> ec.EllipticCurvePublicKey | None:
        x = hashlib.sha256(f"plait: nobody has the private key {number}".encode()).digest()
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x02" + x)
        except ValueError:
            return None

    first = next(key for number in count() if (key := point(number)) is not None)
    text = json.dumps(dict(NOBODY))
    assert ECAlgorithm.from_jwk(text).public_numbers() == first.public_numbers()  # type: ignore[union-attr]
    digest = hashlib.sha256(b"plait: nobody has the private key 2").digest()
    assert NOBODY["x"] == urlsafe_b64encode(digest).decode().rstrip("=")
    assert public_keys(json.dumps({"keys": [dict(NOBODY)]})).keys == (dict(NOBODY),)
