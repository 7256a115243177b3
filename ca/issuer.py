"""What signs: a CA's certificate with its key and the path from it to a root."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ca.keys import KeyKind, PrivateKey, digest_for, generate, key_usage
from ca.trust import fingerprint

ROOT_LIFETIME: Final = timedelta(days=3650)
# Clocks in a mesh differ; what was signed a moment ago must be valid everywhere.
CLOCK_SKEW: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA that can sign.

    Shape: ``path`` leads from the signing certificate over its intermediates to the root, which is the last and, for a
    self-signed CA, the only one. ``key`` belongs to the first.
    """

    path: tuple[x509.Certificate, ...]
    key: PrivateKey = field(repr=False, compare=False)

    @property
    def certificate(self) -> x509.Certificate:
        """The one that signs."""
        return self.path[0]

    @property
    def root(self) -> x509.Certificate:
        """The one that is trusted."""
        return self.path[-1]

    @property
    def root_fingerprint(self) -> str:
        """SHA-256 of the root."""
        return fingerprint(self.root)

    @property
    def intermediates_pem(self) -> bytes:
        """What goes behind a leaf: the path without the root; empty for a self-signed CA."""
        return b"".join(each.public_bytes(Encoding.PEM) for each in self.path[:-1])

    @property
    def not_before(self) -> datetime:
        """Since when the whole path is valid."""
        return max(each.not_valid_before_utc for each in self.path)

    @property
    def not_after(self) -> datetime:
        """Until when the whole path is valid."""
        return min(each.not_valid_after_utc for each in self.path)


def self_signed(now: datetime, kind: KeyKind = KeyKind.P256) -> Issuer:
    """A new root of ten years.

    Its name ends in digits of its own: two roots of one name in a bundle make verifiers try the wrong one.
    """
    key = generate(kind)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Plait"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Plait mesh CA {identifier.digest.hex()[:8]}"),
        ]
    )
    began = now.replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began - CLOCK_SKEW)
        .not_valid_after(began + ROOT_LIFETIME)
        # 1: it may still sign an intermediate that a later installation plugs in.
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, digest_for(key))
    )
    return Issuer((certificate,), key)
