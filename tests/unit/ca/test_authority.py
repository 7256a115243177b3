"""What the CA signs, and what it refuses."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.authority import Authority, Issued
from ca.errors import Refused, Unusable
from ca.issuer import self_signed
from ca.keys import KeyKind
from tests.unit.ca.made import DAY, NOW, SHOP, authority, csr, handshake, issuer

HOUR = timedelta(hours=1)
ROOT = self_signed(NOW - DAY)
CA = Authority(ROOT, "cluster.local")


def leaf(chain: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificates(chain)[0]


def names(certificate: x509.Certificate) -> list[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in extension.value]


def test_a_workload_gets_its_identity_and_nothing_else() -> None:
    issued = CA.issue(SHOP, HOUR, NOW)
    certificate = leaf(issued.certificate_chain)
    assert names(certificate) == [SHOP]
    assert not list(certificate.subject)
    assert certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_encipherment
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(purposes) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    certificate.verify_directly_issued_by(ROOT.certificate)
    assert (issued.serial, issued.root) == (certificate.serial_number, ROOT.root_fingerprint)
    assert (issued.not_before, issued.not_after) == (NOW - timedelta(minutes=2), NOW + HOUR)
    assert (certificate.not_valid_before_utc, certificate.not_valid_after_utc) == (issued.not_before, issued.not_after)
    key = load_pem_private_key(issued.private_key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == certificate.public_key()


def test_rsa_on_request() -> None:
    certificate = leaf(CA.issue(SHOP, HOUR, NOW, KeyKind.RSA2048).certificate_chain)
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment


def test_keys_are_in_no_repr() -> None:
    issued = CA.issue(SHOP, HOUR, NOW)
    for shown in (repr(issued), str(issued), repr(ROOT), repr(CA)):
        assert "PRIVATE" not in shown
        assert "key=" not in shown.replace("private_key=", "key=")


def test_an_intermediate_goes_along_and_the_root_does_not() -> None:
    root = authority("root")
    middle = root.sign("middle")
    signer = middle.sign("signer")
    issued = Authority(issuer(signer, middle, root), "cluster.local").issue(SHOP, HOUR, NOW)
    chain = x509.load_pem_x509_certificates(issued.certificate_chain)
    assert chain[1:] == [signer.certificate, middle.certificate]
    assert issued.root == CA.__class__(issuer(root), "cluster.local").issuer.root_fingerprint


def test_nothing_outlives_or_precedes_its_issuer() -> None:
    root = authority("root", begins=-timedelta(seconds=30), ends=30 * DAY)
    signer = root.sign("signer", begins=-timedelta(seconds=20), ends=timedelta(minutes=10))
    issued = Authority(issuer(signer, root), "cluster.local").issue(SHOP, DAY, NOW)
    assert issued.not_before == NOW - timedelta(seconds=20)
    assert issued.not_after == NOW + timedelta(minutes=10)


@pytest.mark.parametrize("lifetime", [timedelta(), timedelta(seconds=59), timedelta(days=90, seconds=1), -HOUR])
def test_a_lifetime_out_of_range_is_refused(lifetime: timedelta) -> None:
    with pytest.raises(Refused, match="must be 60 seconds to 90 days"):
        CA.issue(SHOP, lifetime, NOW)


def test_an_expired_issuer_signs_nothing() -> None:
    expired = Authority(issuer(authority("old", ends=-HOUR)), "cluster.local")
    with pytest.raises(Unusable, match=r"CN=old\) expired at 2026-08-01T11:00:00Z, 60 minutes ago by the clock here"):
        expired.issue(SHOP, HOUR, NOW)
    with pytest.raises(Unusable, match="the clock of this machine says 1970-01-01T00:00:00Z"):
        CA.issue(SHOP, HOUR, datetime(1970, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("identity", "why"),
    [
        ("spiffe://other.mesh/ns/shop/sa/web", "another trust domain: this CA signs for cluster.local"),
        ("spiffe://cluster.local/ns/shop/sa/web/x", "no identity of a workload"),
        ("spiffe://cluster.local/ns//sa/web", "namespace ''"),
        ("spiffe://cluster.local/ns/../sa/web", "namespace '..'"),
        ("spiffe://cluster.local/ns/shop/sa/web\n", "service account"),
        ("spiffe://cluster.local/ns/shop/sa/w%2fb", "service account"),
        ("spiffe://cluster.local/ns/shop/sa/web?x#y", "service account"),
        ("spiffe://Cluster.local/ns/shop/sa/web", "trust domain"),
        ("https://cluster.local/ns/shop/sa/web", "no identity of a workload"),
        ("web", "no identity of a workload"),
        ("", "no identity of a workload"),
    ],
)
def test_no_other_identities(identity: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        CA.issue(identity, HOUR, NOW)
    with pytest.raises(Refused, match=why):
        CA.sign(csr(), identity, HOUR, NOW)


def test_of_a_request_only_the_key_is_taken() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    signed = CA.sign(csr(key, name="admin"), SHOP, HOUR, NOW)
    certificate = leaf(signed.certificate_chain)
    assert not isinstance(signed, Issued)
    assert certificate.public_key() == key.public_key()
    assert names(certificate) == [SHOP]
    assert not list(certificate.subject)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (rsa.generate_private_key(65537, 1024), "1024 bits"),
        (ec.generate_private_key(ec.SECP521R1()), "secp521r1"),
        (ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
    ],
)
def test_weak_and_odd_keys_are_refused(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, why: str) -> None:
    with pytest.raises(Refused, match=why):
        CA.sign(csr(key), SHOP, HOUR, NOW)


def test_ed25519_is_refused() -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.sign(ed25519.Ed25519PrivateKey.generate(), None).public_bytes(Encoding.PEM)
    with pytest.raises(Refused, match="must be an ECDSA key on P-256 or P-384, or an RSA key"):
        CA.sign(request, SHOP, HOUR, NOW)


def test_a_request_without_its_key_is_refused() -> None:
    request = x509.load_pem_x509_csr(csr())
    forged = bytearray(request.public_bytes(Encoding.DER))
    forged[-3] ^= 1
    pem = x509.load_der_x509_csr(bytes(forged)).public_bytes(Encoding.PEM)
    with pytest.raises(Refused, match="not shown that it holds that key"):
        CA.sign(pem, SHOP, HOUR, NOW)


@pytest.mark.parametrize("pem", [b"", b"hello", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", b"x" * 20_000])
def test_what_is_no_request_is_refused(pem: bytes) -> None:
    with pytest.raises(Refused, match="the CSR"):
        CA.sign(pem, SHOP, HOUR, NOW)


def test_a_server_gets_names_and_addresses() -> None:
    certificate = leaf(CA.issue_server(["plait.mesh.svc", "*.plait", "10.0.0.1", "::1"], HOUR, NOW).certificate_chain)
    assert names(certificate) == ["plait.mesh.svc", "*.plait", "10.0.0.1", "::1"]
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]
    for wrong in ([], ["ü.de"]):
        with pytest.raises(Refused):
            CA.issue_server(wrong, HOUR, NOW)


def context(folder: Path, issued: Issued, roots: bytes, *, server: bool) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    file = folder / f"{issued.serial}.pem"
    file.write_bytes(issued.certificate_chain + issued.private_key)
    made.load_cert_chain(file)
    made.load_verify_locations(cadata=roots.decode())
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.check_hostname = not server
    return made


@pytest.mark.parametrize("kind", [KeyKind.P256, KeyKind.RSA4096])
def test_openssl_takes_them_both_ways(tmp_path: Path, kind: KeyKind) -> None:
    now = datetime.now(UTC)
    ca = Authority(self_signed(now, kind), "cluster.local")
    server = context(tmp_path, ca.issue_server(["plait"], HOUR, now), ca.roots.pem, server=True)
    client = context(tmp_path, ca.issue(SHOP, HOUR, now), ca.roots.pem, server=False)
    assert handshake(server, client, "plait").getpeercert()
    other = Authority(self_signed(now), "cluster.local")
    stranger = context(tmp_path, other.issue(SHOP, HOUR, now), ca.roots.pem, server=False)
    with pytest.raises(ssl.SSLError):
        handshake(server, stranger, "plait")
