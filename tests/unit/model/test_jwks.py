"""Which keys of a JWKS can check tokens, and what is kept of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.model.jwks import public_keys

RSA = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
EC = {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "_-"}
OKP = {"kty": "OKP", "crv": "Ed25519", "x": "AQ=="}


def jwks(*keys: Any) -> str:
    return json.dumps({"keys": keys})


@pytest.mark.parametrize(
    "key",
    [
        RSA,
        EC,
        OKP,
        RSA | {"alg": "PS512", "kid": "", "use": "sig"},
        {"kty": "EC", "crv": "P-521", "x": "AQ", "y": "AQ", "alg": "ES512"},
        OKP | {"alg": "EdDSA"},
    ],
)
def test_keys_of_use(key: dict[str, str]) -> None:
    found = public_keys(jwks(key))
    assert (dict(found.keys[0]), found.skipped, found.problem, found.private) == (key, (), "", False)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("text", "must be a mapping"),
        ({}, "kty must be RSA, EC or OKP, is None"),
        ({"kty": ["RSA"]}, "kty must be RSA, EC or OKP, is ['RSA']"),
        ({"kty": "oct", "k": "AQ"}, "is a shared secret (kty oct), with which whoever reads it can make tokens"),
        (RSA | {"kid": 5}, "kid must be a text"),
        (RSA | {"use": "enc"}, "use must be sig, is 'enc'"),
        (RSA | {"alg": "RSA-OAEP"}, "alg must be RS256 or"),
        (RSA | {"alg": "ES256"}, "alg must be RS256 or"),
        (EC | {"alg": "ES384"}, "alg must be ES256, is 'ES384'"),
        (RSA | {"e": ""}, "e must be a number in base64url"),
        (RSA | {"n": "A"}, "n must be a number in base64url"),
        (RSA | {"n": "a+b/"}, "n must be a number in base64url"),
        ({"kty": "RSA", "e": "AQAB"}, "n must be a number in base64url"),
        (EC | {"crv": "secp256k1"}, "crv must be P-256, P-384 or P-521, is 'secp256k1'"),
        (EC | {"crv": "Ed25519"}, "crv must be P-256, P-384 or P-521"),
        ({"kty": "EC", "x": "AQ", "y": "AQ"}, "crv must be P-256, P-384 or P-521, is None"),
        (OKP | {"crv": "P-256"}, "crv must be Ed25519, is 'P-256'"),
        (OKP | {"crv": "X25519"}, "crv must be Ed25519"),
    ],
)
def test_keys_of_no_use_are_skipped(key: Any, why: str) -> None:
    found = public_keys(jwks(RSA, key))
    assert [dict(kept) for kept in found.keys] == [RSA]
    assert not found.problem
    assert len(found.skipped) == 1
    assert found.skipped[0].startswith(f"key 2: {why}")
    assert public_keys(jwks(key)).problem.startswith(f"has no key that can check tokens (key 1: {why}")


@pytest.mark.parametrize("text", ["", "<html>", "{", "[" * 100_000, "{}", "[]", "null", '{"keys": {}}', '{"keys": 1}'])
def test_text_that_is_no_jwks(text: str) -> None:
    found = public_keys(text)
    assert found.problem.startswith("must be a JWKS")
    assert not found.text


def test_secrets_are_noticed_and_not_kept() -> None:
    found = public_keys(jwks(RSA | {"d": "AQAB", "x5c": ["MII"]}))
    assert found.private
    assert found.text == '{"keys":[{"e":"AQAB","kty":"RSA","n":"AQAB"}]}'
    assert public_keys(jwks({"kty": "oct", "k": "AQ"})).private


def test_the_text_is_the_same_in_any_order_and_each_key_stands_once() -> None:
    assert public_keys(jwks(EC, RSA, RSA)).text == public_keys(jwks(RSA, EC | {"more": 1})).text


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "AQ"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kty", "crv", "n", "e", "x", "y", "alg", "use", "kid"]), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(st.lists(VALUES, max_size=4))
def test_any_keys_are_read_without_an_exception(keys: list[Any]) -> None:
    found = public_keys(jwks(*keys))
    assert bool(found.text) is not bool(found.problem)
    assert public_keys(found.text).text == found.text or not found.text
