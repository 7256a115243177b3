"""Bearer tokens: who they prove, and all that proves nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from xds.callers.bearer import MAX_TOKEN_BYTES
from xds.callers.caller import Caller
from xds.callers.join_tokens import ISSUER, JoinTokens
from xds.callers.known_tokens import KnownTokens
from xds.callers.tokens import TokenKeys, Tokens
from xds.server.errors import Denied, Reason
from xds.server.node import Peer

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ISS = "https://kubernetes.default.svc"
JWKS = {
    "keys": [
        {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "rsa", "alg": "RS256", "use": "sig"},
        {**ECAlgorithm.to_jwk(EC.public_key(), as_dict=True), "kid": "ec"},
    ]
}
KEYS = TokenKeys.of(ISS, JWKS)
PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
Change = Callable[[dict[str, Any]], object]


def claims(**changes: Any) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    whole = {
        "iss": ISS,
        "aud": ["istio-ca"],
        "sub": "system:serviceaccount:shop:web",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "kubernetes.io": {
            "namespace": "shop",
            "serviceaccount": {"name": "web", "uid": "u1"},
            "pod": {"name": "web-0", "uid": "u2"},
        },
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def signed(payload: Mapping[str, Any], key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa") -> str:
    text = json.dumps(payload).encode()
    return jwt.PyJWS().encode(text, key, algorithm, headers={"kid": kid} if kid else {})


def part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def tokens() -> Tokens:
    return Tokens("cluster.local", KEYS)


def refused(token: str, of: Tokens | None = None) -> str:
    with pytest.raises(Denied) as denied:
        (of or tokens()).verify(token)
    assert denied.value.reason is Reason.UNAUTHENTICATED
    longest = max(token.split("."), key=len)
    assert len(longest) < 12 or longest not in str(denied.value), "a refusal must not hold the token"
    return str(denied.value)


def verdict(token: str) -> str:
    try:
        caller = tokens().verify(token)
    except Denied:
        return "refused"
    return f"{caller.namespace}/{caller.service_account}"


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA, "RS256", "rsa"), (EC, "ES256", "ec")])
def test_a_projected_token_proves_its_pod(key: Any, algorithm: str, kid: str) -> None:
    payload = claims()
    caller = tokens().verify(signed(payload, key, algorithm, kid))
    ends = datetime.fromtimestamp(payload["exp"], UTC)
    assert caller == Caller("cluster.local", "shop", "web", "web-0", ends)
    assert caller.spiffe_id == "spiffe://cluster.local/ns/shop/sa/web"


def test_a_token_that_is_bound_to_no_pod() -> None:
    own = {"namespace": "shop", "serviceaccount": {"name": "web"}}
    assert tokens().verify(signed(claims(**{"kubernetes.io": own}))).pod == ""


def moment(seconds: int) -> int:
    return int(datetime.now(UTC).timestamp()) + seconds


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"exp": moment(-3600)}, "has expired"),
        ({"nbf": moment(3600)}, "not valid yet"),
        ({"iat": moment(3600)}, "not valid yet"),
        ({"exp": None}, "MissingRequiredClaim"),
        ({"iat": None}, "MissingRequiredClaim"),
        ({"aud": None}, "MissingRequiredClaim"),
        ({"iss": None}, "MissingRequiredClaim"),
        ({"sub": None}, "MissingRequiredClaim"),
        ({"aud": ["vault"]}, "is not for istio-ca"),
        ({"aud": "istio"}, "is not for istio-ca"),
        ({"iss": "https://elsewhere"}, f"is not of {ISS}"),
        ({"sub": "system:serviceaccount:shop:admin"}, "contradicts itself"),
        ({"sub": "system:node:shop:web"}, "contradicts itself"),
        ({"kubernetes.io": None}, "which service account"),
        ({"kubernetes.io": "shop"}, "which service account"),
        ({"kubernetes.io": {"namespace": "shop", "serviceaccount": "web"}}, "which service account"),
        ({"kubernetes.io": {"namespace": "other", "serviceaccount": {"name": "web"}}}, "contradicts itself"),
        (
            {"kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "web"}, "pod": {"name": 3}}},
            "a pod without a name",
        ),
        (
            {
                "sub": "system:serviceaccount:a/ns/b:web",
                "kubernetes.io": {"namespace": "a/ns/b", "serviceaccount": {"name": "web"}},
            },
            "a name that cannot be",
        ),
        (
            {
                "sub": "system:serviceaccount:a:b:c",
                "kubernetes.io": {"namespace": "a", "serviceaccount": {"name": "b:c"}},
            },
            "a name that cannot be",
        ),
    ],
)
def test_claims_that_prove_nothing(changes: dict[str, Any], why: str) -> None:
    assert why in refused(signed(claims(**changes)))


def test_no_leeway_for_what_has_expired() -> None:
    assert "expired at" in refused(signed(claims(exp=moment(-1))))


def test_a_clock_may_be_ahead_a_little() -> None:
    assert tokens().verify(signed(claims(iat=moment(5), nbf=moment(5)))).pod == "web-0"


@pytest.mark.parametrize("seconds", ["soon", 1e400, -1e400, [], {}, True, "9" * 400, 10**30, 1e18, None])
def test_times_that_are_none(seconds: Any) -> None:
    for claim in ("exp", "nbf", "iat"):
        payload = claims() | {claim: seconds}
        outcome = verdict(signed(payload))
        assert outcome == "refused" or claim != "exp", "a beginning may be long ago"


def test_a_key_that_is_not_the_issuers() -> None:
    assert "wrong signature" in refused(signed(claims(), OTHER))
    assert "wrong signature" in refused(signed(claims(), OTHER, kid="rsa"))
    assert "does not have" in refused(signed(claims(), OTHER, kid="mine"))
    assert "does not have" in refused(signed(claims(), kid=None))


def test_no_algorithm() -> None:
    unsigned = f"{part({'alg': 'none', 'kid': 'rsa', 'typ': 'JWT'})}.{part(claims())}."
    assert "InvalidAlgorithm" in refused(unsigned)
    for name in ("None", "NONE", "", None):
        refused(f"{part({'alg': name, 'kid': 'rsa'})}.{part(claims())}.")


@pytest.mark.parametrize("secret", [PEM, PEM.strip(), b"", b"rsa"])
def test_a_public_key_is_no_shared_secret(secret: bytes) -> None:

    head = f"{part({'alg': 'HS256', 'kid': 'rsa', 'typ': 'JWT'})}.{part(claims())}"
    mac = urlsafe_b64encode(hmac.new(secret, head.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    assert "InvalidAlgorithm" in refused(f"{head}.{mac}")


def test_a_key_is_used_with_its_own_algorithm_only() -> None:
    assert "InvalidAlgorithm" in refused(signed(claims(), RSA, "PS256"))
    assert "InvalidAlgorithm" in refused(signed(claims(), EC, "ES256", "rsa"))
    assert "InvalidAlgorithm" in refused(signed(claims(), RSA, "RS256", "ec"))


def test_a_key_within_the_token_is_not_looked_at() -> None:
    own = RSAAlgorithm.to_jwk(OTHER.public_key(), as_dict=True)
    token = jwt.encode(claims(), OTHER, "RS256", headers={"kid": "rsa", "jwk": own, "jku": "http://127.0.0.1:1/"})
    assert "wrong signature" in refused(token)


def test_a_changed_payload() -> None:
    head, _, mac = signed(claims()).split(".")
    assert "wrong signature" in refused(f"{head}.{part(claims(sub='system:serviceaccount:shop:admin'))}.{mac}")


def test_keys_that_nothing_is_signed_with_are_left_out() -> None:
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}
    unnamed = {key: value for key, value in JWKS["keys"][0].items() if key != "kid"}
    keys = TokenKeys.of(ISS, {"keys": [secret, unnamed, "x", None, JWKS["keys"][1] | {"use": "enc"}, JWKS["keys"][0]]})
    assert set(keys.keys) == {"rsa"}
    nothing: list[dict[str, Any]] = [{}, {"keys": []}, {"keys": [secret]}, {"keys": "rsa"}]
    for jwks in nothing:
        with pytest.raises(ValueError, match="no key with an id"):
            TokenKeys.of(ISS, jwks)
    assert "RSA" not in repr(keys)


def test_new_keys_end_what_was_known() -> None:
    way, token = tokens(), signed(claims())
    assert way.verify(token) is way.verify(token)
    way.keys = TokenKeys.of(ISS, {"keys": [JWKS["keys"][1]]})
    assert "does not have" in refused(token, way)


def test_known_tokens_are_bounded_and_end() -> None:
    known, now = KnownTokens(most=2), datetime.now(UTC)
    caller = Caller("cluster.local", "shop", "web")
    for token in ("a", "b", "c"):
        known.add(token, caller, now + timedelta(seconds=1))
    assert [known.get(token, now) for token in ("a", "b", "c")] == [None, caller, caller]
    assert known.get("b", now + timedelta(seconds=1)) is None
    assert len(known) == 1
    assert b"c" not in known._callers


async def test_the_header() -> None:
    way, token = tokens(), signed(claims())

    async def presented(**metadata: str) -> Caller | None:
        return await way.caller(Peer("ipv4:10.0.0.1:1", metadata=metadata))

    assert await presented() is None
    assert await presented(authorization="Basic d2ViOg==") is None
    assert await presented(authorization="Bearer ") is None
    for scheme in ("Bearer", "bearer"):
        found = await presented(authorization=f"{scheme} {token}")
        assert found is not None
        assert found.pod == "web-0"
    with pytest.raises(Denied, match="longer than"):
        await presented(authorization="Bearer " + "a" * (MAX_TOKEN_BYTES + 1))


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_garbage_is_refused(text: str) -> None:
    refused(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]), JSON),
    payload=JSON,
    mac=st.binary(max_size=80),
)
def test_garbage_in_the_shape_of_a_token_is_refused(header: Any, payload: Any, mac: bytes) -> None:
    head = {"alg": "RS256", "kid": "rsa"} | header
    refused(f"{part(head)}.{part(payload)}.{urlsafe_b64encode(mac).decode().rstrip('=')}")


@given(
    st.dictionaries(
        st.sampled_from(["exp", "nbf", "iat", "iss", "aud", "sub", "jti", "kubernetes.io"]), JSON, min_size=1
    )
)
def test_random_claims_never_crash(changes: dict[str, Any]) -> None:
    assert verdict(signed(claims() | changes)) in {"refused", "shop/web"}


def test_join_tokens_have_the_shape_of_kubernetes_own() -> None:
    issuer, now = JoinTokens(), datetime.now(UTC)
    token = issuer.issue("shop", "web", "web-0", now=now, lifetime=timedelta(minutes=1))
    caller = Tokens("cluster.local", issuer.keys).verify(token)
    ends = datetime.fromtimestamp(int(now.timestamp()) + 60, UTC)
    assert caller == Caller("cluster.local", "shop", "web", "web-0", ends)
    assert issuer.keys.issuer == ISSUER
    assert "does not have" in refused(token, Tokens("cluster.local", JoinTokens().keys))
    assert "does not have" in refused(token)
    assert all("d" not in key._jwk_data for key in issuer.keys.keys.values()), "the private part stays here"
    assert jwt.decode(token, options={"verify_signature": False}).keys() == {*claims().keys(), "jti"}
