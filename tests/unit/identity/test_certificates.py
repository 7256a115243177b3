"""Certificates in Secrets: keys that do not fit, what has ended, and what was deleted while something shows it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import NameOID

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.explain.analyze.credentials import USED, expiries
from xds.identity import certificates
from xds.identity.certificates import examined
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.slices import at_once
from xds.view.graph import Graph

GATEWAY_API = "gateway.networking.k8s.io"
BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
LIFE = timedelta(days=90)
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
SITE = ObjectRef("", "Secret", "edge", "site")


def pem(key: ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.example.com")])
    made_of = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    lasting = made_of.serial_number(7).not_valid_before(BEGINS).not_valid_after(BEGINS + LIFE)
    return lasting.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


CERTIFICATE = certificate()


def test_a_large_key_is_not_proven_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes a Secret must not have the control plane look for primes."""
    asked: list[dict[str, bool]] = []

    def loaded(data: bytes, password: None, **more: bool) -> PrivateKeyTypes:
        asked.append(more)
        return serialization.load_pem_private_key(data, password, **more)

    monkeypatch.setattr(certificates, "load_pem_private_key", loaded)
    assert not examined(CERTIFICATE, pem(KEY)).fault
    assert asked == [{"unsafe_skip_rsa_key_validation": True}]


@pytest.mark.parametrize(
    ("chain", "key", "says"),
    [
        (CERTIFICATE, pem(KEY), ""),
        (CERTIFICATE, pem(OTHER), "is that of another"),
        (CERTIFICATE, pem(KEY, b"secret"), "must not be encrypted"),
        (CERTIFICATE, b"-----BEGIN PRIVATE KEY-----\nx", "must be a private key"),
        (b"-----BEGIN CERTIFICATE-----\nx", pem(KEY), "must be certificates"),
    ],
    ids=["fits", "another", "encrypted", "no-key", "no-certificate"],
)
def test_what_a_key_and_a_certificate_are(chain: bytes, key: bytes, says: str) -> None:
    found = examined(chain, key)
    assert says in found.fault
    assert bool(found.fault) is bool(says)
    if not says:
        assert (found.begins, found.ends) == (BEGINS.timestamp(), (BEGINS + LIFE).timestamp())


def secret(key: bytes) -> Any:
    data = {"tls.crt": base64.b64encode(CERTIFICATE).decode(), "tls.key": base64.b64encode(key).decode()}
    return made({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "site", "namespace": "edge"}, "data": data})


def gateway(credential: str = "site") -> Any:
    server = {
        "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
        "hosts": ["www.example.com"],
        "tls": {"mode": "SIMPLE", "credentialName": credential},
    }
    spec = {"selector": {"istio": "edge"}, "servers": [server]}
    metadata = {"name": "www", "namespace": "edge"}
    return made({"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": metadata, "spec": spec})


def test_a_key_that_does_not_fit_leaves_the_good_one_in_force() -> None:
    builder = Builder(examine=examined)
    applied(builder, [secret(pem(KEY))])
    assert not builder.problems
    applied(builder, [secret(pem(OTHER))])
    (problem,) = builder.problems
    assert (problem.code, problem.at.dotted) == ("secret.unfit", "data")
    (held,) = builder.snapshot.rows(Table.CREDENTIAL, ("edge", "site"))
    assert held.private_key == pem(KEY)


@pytest.mark.parametrize(
    ("when", "code"),
    [
        (BEGINS - timedelta(minutes=1), "secret.not-yet-valid"),
        (BEGINS + timedelta(days=1), ""),
        (BEGINS + LIFE - timedelta(days=2), "secret.ends-soon"),
        (BEGINS + LIFE, "secret.expired"),
    ],
    ids=str,
)
def test_when_a_certificate_that_is_shown_holds(when: datetime, code: str) -> None:
    builder = Builder(examine=examined)
    applied(builder, [secret(pem(KEY)), gateway()])
    found = expiries(Graph(builder.snapshot).get(USED), when.timestamp())
    assert [each.code for each in found] == ([code] if code else [])


def test_who_may_not_show_a_secret_does_not_keep_it() -> None:
    """Anybody may name the Secrets of others: what is deleted is not to stay for that."""
    refs = [{"name": "site", "namespace": "edge"}]
    listener = {"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": refs}}
    naming = {
        "apiVersion": f"{GATEWAY_API}/v1",
        "kind": "Gateway",
        "metadata": {"name": "nosy", "namespace": "other"},
        "spec": {"gatewayClassName": "plait", "listeners": [listener]},
    }
    granted = {
        "apiVersion": f"{GATEWAY_API}/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "others", "namespace": "edge"},
        "spec": {
            "from": [{"group": GATEWAY_API, "kind": "Gateway", "namespace": "other"}],
            "to": [{"group": "", "kind": "Secret"}],
        },
    }
    builder = Builder(examine=examined)
    applied(builder, [secret(pem(KEY)), made(naming)])
    assert Graph(builder.snapshot).get(USED) == ()
    applied(builder, [made(granted)])
    assert [each.ref for each in Graph(builder.snapshot).get(USED)] == [SITE]


def test_what_nobody_shows_may_end() -> None:
    builder = Builder(examine=examined)
    applied(builder, [secret(pem(KEY))])
    assert Graph(builder.snapshot).get(USED) == ()


def test_the_last_content_of_a_deleted_secret_stays_while_it_is_kept() -> None:
    builder = Builder(examine=examined)
    applied(builder, [secret(pem(KEY)), gateway()])
    at_once(builder.apply((), [SITE], {SITE}))
    (held,) = builder.snapshot.rows(Table.CREDENTIAL, ("edge", "site"))
    assert held.gone
    assert builder.kept == {SITE}
    applied(builder, [secret(pem(KEY))])
    assert not builder.kept
    at_once(builder.apply((), [SITE]))
    assert not builder.snapshot.rows(Table.CREDENTIAL, ("edge", "site"))
    assert not builder.kept
