"""Trust bundles: the root certificates that verify a mesh's identities, and those of meshes it federates with."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ca.errors import Refused


def fingerprint(certificate: x509.Certificate) -> str:
    """The SHA-256 of the certificate, 64 hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


@dataclass(frozen=True, slots=True)
class TrustBundle:
    """Root certificates, each once, sorted by fingerprint: equal bundles have equal bytes. Make one with ``of``."""

    roots: tuple[x509.Certificate, ...] = ()

    @classmethod
    def of(cls, roots: Iterable[x509.Certificate]) -> TrustBundle:
        """The bundle of these certificates, in any order."""
        by_fingerprint = {fingerprint(root): root for root in roots}
        return cls(tuple(by_fingerprint[key] for key in sorted(by_fingerprint)))

    @classmethod
    def from_pem(cls, pem: bytes) -> TrustBundle:
        """The bundle of all certificates in ``pem``. Errors: Refused when there is none, or one cannot be read."""
        try:
            return cls.of(x509.load_pem_x509_certificates(pem))
        except ValueError as error:
            raise Refused(f"no PEM certificates: {error}") from None

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """SHA-256 of each, sorted."""
        return tuple(fingerprint(root) for root in self.roots)

    @property
    def pem(self) -> bytes:
        """All of them, one PEM block after the other."""
        return b"".join(root.public_bytes(Encoding.PEM) for root in self.roots)

    def without_expired(self, now: datetime) -> TrustBundle:
        """Those that are valid at ``now`` or later."""
        return TrustBundle(tuple(root for root in self.roots if now < root.not_valid_after_utc))

    def __or__(self, other: TrustBundle) -> TrustBundle:
        return TrustBundle.of((*self.roots, *other.roots))

    def __sub__(self, other: TrustBundle) -> TrustBundle:
        gone = set(other.fingerprints)
        return TrustBundle(tuple(root for root in self.roots if fingerprint(root) not in gone))

    def __contains__(self, root: x509.Certificate) -> bool:
        return fingerprint(root) in self.fingerprints

    def __bool__(self) -> bool:
        return bool(self.roots)


@dataclass(frozen=True, slots=True)
class SpiffeBundle:
    """A trust domain's bundle as its bundle endpoint serves it.

    ``refresh_hint``: how often to ask again, where it says so. ``sequence``: grows with each change, where given.
    """

    roots: TrustBundle
    sequence: int | None = None
    refresh_hint: timedelta | None = None


def spiffe_bundle(document: bytes) -> SpiffeBundle:
    """The X.509 roots in a SPIFFE bundle; keys for JWTs and of unknown uses are left out.

    Shape:   a JWKS document; each key of ``use`` ``x509-svid`` has one certificate in ``x5c``.
    Errors:  Refused when it is no such document.
    Source:  SPIFFE Trust Domain and Bundle, section 4.
    """
    try:
        jwks = json.loads(document)
    except ValueError as error:
        raise Refused(f"the SPIFFE bundle is no JSON: {error}") from None
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list):
        raise Refused("the SPIFFE bundle has no list `keys`")
    roots = [_x5c(key, at) for at, key in enumerate(keys) if isinstance(key, dict) and key.get("use") == "x509-svid"]
    sequence, hint = jwks.get("spiffe_sequence"), jwks.get("spiffe_refresh_hint")
    return SpiffeBundle(
        TrustBundle.of(roots),
        sequence if isinstance(sequence, int) else None,
        timedelta(seconds=hint) if isinstance(hint, int) and 0 < hint < 10**9 else None,
    )


def _x5c(key: Mapping[str, Any], at: int) -> x509.Certificate:
    x5c = key.get("x5c")
    if not isinstance(x5c, list) or len(x5c) != 1 or not isinstance(x5c[0], str):
        raise Refused(f"the SPIFFE bundle's keys[{at}].x5c must be a list of exactly one certificate")
    try:
        return x509.load_der_x509_certificate(base64.b64decode(x5c[0], validate=True))
    except (ValueError, binascii.Error):
        raise Refused(f"the SPIFFE bundle's keys[{at}].x5c[0] is no certificate in base64 DER") from None
