"""A plugged-in CA: what is accepted, and what is said about each fault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca import keys
from ca.chain import load, load_folder
from ca.errors import Unusable
from tests.unit.ca.made import DAY, NOW, authority, istio_files, usage

ROOT = authority("root")
MIDDLE = ROOT.sign("middle")
SIGNER = MIDDLE.sign("signer")
FILES = istio_files(SIGNER, ROOT, MIDDLE)


def faults(files: dict[str, bytes], now: datetime = NOW) -> str:
    with pytest.raises(Unusable) as caught:
        load(files, now, "/etc/cacerts")
    return " | ".join(caught.value.problems)


def test_istios_names() -> None:
    found = load(FILES, NOW)
    assert found.issuer.path == (SIGNER.certificate, MIDDLE.certificate, ROOT.certificate)
    assert found.roots.roots == (ROOT.certificate,)
    assert found.warnings == ()


def test_kubernetes_names(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_bytes(SIGNER.pem + MIDDLE.pem)
    (tmp_path / "tls.key").write_bytes(SIGNER.key_pem)
    (tmp_path / "ca.crt").write_bytes(ROOT.pem)
    (tmp_path / "tls.key").chmod(0o600)
    found = load_folder(tmp_path, NOW)
    assert found.issuer.path == (SIGNER.certificate, MIDDLE.certificate, ROOT.certificate)
    assert found.warnings == ()
    (tmp_path / "tls.key").chmod(0o644)
    assert "tls.key can be read by every user of this machine: chmod 600" in load_folder(tmp_path, NOW).warnings[0]


def test_a_self_signed_one() -> None:
    found = load({"ca-cert.pem": ROOT.pem, "ca-key.pem": ROOT.key_pem, "root-cert.pem": ROOT.pem}, NOW)
    assert found.issuer.path == (ROOT.certificate,)
    assert found.issuer.intermediates_pem == b""
    assert load({**istio_files(ROOT, ROOT), "cert-chain.pem": b"\n"}, NOW).issuer.path == (ROOT.certificate,)


def test_several_roots() -> None:
    other = authority("other")
    found = load({**FILES, "root-cert.pem": other.pem + ROOT.pem + MIDDLE.pem}, NOW)
    assert found.issuer.root == ROOT.certificate
    assert len(found.roots.roots) == 3


def test_a_key_encrypted_with_a_passphrase() -> None:
    files = {**FILES, "ca-key.pem": keys.to_pem(SIGNER.key, b"secret")}
    assert load(files, NOW, passphrase=b"secret").issuer.certificate == SIGNER.certificate
    assert "/etc/cacerts/ca-key.pem cannot be used: the key is encrypted and no passphrase was given" in faults(files)
    with pytest.raises(Unusable, match="the passphrase is wrong"):
        load(files, NOW, passphrase=b"wrong")


def test_no_ca_at_all(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"holds no CA: must have ca-cert.pem, ca-key.pem, .*; or tls.crt"):
        load_folder(tmp_path, NOW)


def test_missing_and_broken_files_are_all_named() -> None:
    said = faults({"ca-cert.pem": b"hello", "root-cert.pem": ROOT.pem})
    assert "/etc/cacerts/ca-cert.pem holds no certificates in PEM" in said
    assert "/etc/cacerts/ca-key.pem is missing" in said


def test_another_key() -> None:
    said = faults({**FILES, "ca-key.pem": MIDDLE.key_pem})
    assert said == (
        "/etc/cacerts/ca-key.pem is not the key of /etc/cacerts/ca-cert.pem (CN=signer): replace one of them, "
        "they must be made together"
    )


def test_no_way_to_a_root() -> None:
    said = faults({**FILES, "root-cert.pem": authority("other").pem})
    assert said == (
        "/etc/cacerts/ca-cert.pem (CN=signer) was issued by CN=middle and leads to no root in "
        "/etc/cacerts/root-cert.pem (CN=other): add its root there, or the intermediates between them to "
        "/etc/cacerts/cert-chain.pem"
    )
    assert "leads to no root" in faults({**FILES, "cert-chain.pem": SIGNER.pem})
    # Names fit, the signature does not.
    assert "leads to no root" in faults({**FILES, "root-cert.pem": authority("root").pem})


def test_what_is_no_ca() -> None:
    leaf = ROOT.sign("leaf", ca=False)
    assert "CN=leaf is no CA: its basicConstraints must say CA:TRUE" in faults(istio_files(leaf, ROOT))
    mute = ROOT.sign("mute", extensions=(usage(key_cert_sign=False),))
    assert "CN=mute may not sign certificates: its keyUsage must have keyCertSign" in faults(istio_files(mute, ROOT))
    able = ROOT.sign("able", extensions=(usage(key_cert_sign=True),))
    assert load(istio_files(able, ROOT), NOW).warnings == ()
    narrow = ROOT.sign("narrow", extensions=(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),))
    assert "must have both serverAuth and clientAuth" in faults(istio_files(narrow, ROOT))


def test_path_length() -> None:
    root = authority("short", path_length=1)
    middle = root.sign("middle")
    signer = middle.sign("signer")
    assert load(istio_files(middle, root), NOW).warnings == ()
    said = faults(istio_files(signer, root, middle))
    assert said.startswith("CN=short allows 1 CA certificates under it (pathlen) and has 2")


def test_a_weak_key() -> None:
    weak = ROOT.sign("weak", key=rsa.generate_private_key(65537, 1024))
    assert "an RSA key of 1024 bits" in faults(istio_files(weak, ROOT))


def test_expired() -> None:
    old = ROOT.sign("old", begins=-10 * DAY, ends=-3 * DAY)
    assert faults(istio_files(old, ROOT)) == (
        "/etc/cacerts/ca-cert.pem (CN=old) expired at 2026-07-29T12:00:00Z, 3 days ago by the clock here, which says "
        "2026-08-01T12:00:00Z: replace it, unless that clock is wrong"
    )
    root = authority("gone", ends=-DAY)
    assert "/etc/cacerts/root-cert.pem (CN=gone) expired" in faults(istio_files(root.sign("young"), root))


def test_a_clock_that_is_slow_is_told_from_a_certificate_that_is_wrong() -> None:
    said = faults(FILES, NOW - 400 * DAY)
    assert "/etc/cacerts/ca-cert.pem (CN=signer) is valid from 2026-07-31T12:00:00Z only" in said
    assert "it is slow by 399 days or more" in said


def test_an_absurd_clock_is_the_only_thing_said() -> None:
    assert faults(FILES, datetime(1970, 1, 1, 0, 5, tzinfo=UTC)) == (
        "the clock of this machine says 1970-01-01T00:05:00Z, which cannot be: set it (NTP) and start again"
    )


def test_what_expires_soon_is_a_warning() -> None:
    soon = ROOT.sign("soon", begins=-300 * DAY, ends=timedelta(days=12, hours=3))
    found = load(istio_files(soon, ROOT), NOW)
    assert found.warnings == ("ca-cert.pem (CN=soon) expires at 2026-08-13T15:00:00Z, in 12 days: replace it before",)


def test_an_expired_root_of_others_is_a_warning_and_left_out() -> None:
    gone = authority("gone", ends=-DAY)
    found = load({**FILES, "root-cert.pem": ROOT.pem + gone.pem}, NOW)
    assert found.roots.roots == (ROOT.certificate,)
    assert "root-cert.pem (CN=gone) expired" in found.warnings[0]
