"""Bundles of roots, and other meshes' bundles."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ca.errors import Refused
from ca.trust import TrustBundle, fingerprint, spiffe_bundle
from tests.unit.ca.made import DAY, NOW, Made, authority

ONE, TWO, THREE = (authority(name) for name in ("one", "two", "three"))


def bundle(*made: Made) -> TrustBundle:
    return TrustBundle.of(each.certificate for each in made)


def test_order_and_repetition_do_not_matter() -> None:
    assert bundle(ONE, TWO, ONE).pem == bundle(TWO, ONE).pem
    assert bundle(ONE, TWO) == bundle(TWO, ONE)
    assert hash(bundle(ONE, TWO)) == hash(bundle(TWO, ONE))
    assert list(bundle(ONE, TWO, THREE).fingerprints) == sorted(fingerprint(m.certificate) for m in (ONE, TWO, THREE))
    assert TrustBundle.from_pem(bundle(ONE, TWO).pem) == bundle(TWO, ONE)


def test_union_and_difference() -> None:
    assert bundle(ONE) | bundle(TWO) == bundle(ONE, TWO)
    assert bundle(ONE, TWO) - bundle(ONE) == bundle(TWO)
    assert ONE.certificate in bundle(ONE)
    assert TWO.certificate not in bundle(ONE)
    assert not bundle(ONE) - bundle(ONE)


def test_expired_roots_can_be_left_out() -> None:
    assert bundle(ONE, authority("gone", ends=-DAY)).without_expired(NOW) == bundle(ONE)


def test_what_holds_no_certificate_is_no_bundle() -> None:
    with pytest.raises(Refused, match="no PEM certificates"):
        TrustBundle.from_pem(b"")


def x5c(made: Made) -> list[str]:
    return [base64.b64encode(made.certificate.public_bytes(Encoding.DER)).decode()]


def test_a_spiffe_bundle() -> None:
    document = {
        "keys": [
            {"kty": "EC", "use": "x509-svid", "x5c": x5c(ONE)},
            {"kty": "EC", "use": "jwt-svid", "kid": "x"},
            {"kty": "EC", "use": "x509-svid", "x5c": x5c(TWO)},
        ],
        "spiffe_sequence": 12,
        "spiffe_refresh_hint": 300,
    }
    found = spiffe_bundle(json.dumps(document).encode())
    assert found.roots == bundle(ONE, TWO)
    assert (found.sequence, found.refresh_hint) == (12, timedelta(minutes=5))


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("hello", "no JSON"),
        ("[]", "no list `keys`"),
        ('{"keys": [{"use": "x509-svid"}]}', r"keys\[0\].x5c must be a list of exactly one"),
        ('{"keys": [{"use": "x509-svid", "x5c": ["!!"]}]}', r"keys\[0\].x5c\[0\] is no certificate"),
        ('{"keys": [{"use": "x509-svid", "x5c": ["AAAA"]}]}', "no certificate"),
    ],
)
def test_what_is_no_spiffe_bundle(document: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        spiffe_bundle(document.encode())
