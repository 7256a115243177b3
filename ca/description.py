"""Certificates for people: what each says, and what is wrong with a file of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from ca import path, spiffe
from ca.errors import Refused
from ca.trust import TrustBundle, fingerprint
from ca.validity import Findings, alternative_names, check, subject


@dataclass(frozen=True, slots=True)
class Description:
    """What one certificate says. ``serial`` and ``fingerprint`` (SHA-256) are hexadecimal."""

    subject: str
    names: tuple[str, ...]
    issuer: str
    not_before: datetime
    not_after: datetime
    ca: bool
    serial: str
    fingerprint: str


def describe(certificate: x509.Certificate) -> Description:
    """What ``certificate`` says."""
    return Description(
        subject=certificate.subject.rfc4514_string(),
        names=alternative_names(certificate),
        issuer=certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        ca=_is_ca(certificate),
        serial=f"{certificate.serial_number:x}",
        fingerprint=fingerprint(certificate),
    )


def chain_findings(chain: Sequence[x509.Certificate], now: datetime, trusted: TrustBundle | None = None) -> Findings:
    """What is wrong with the certificates of one file; with ``trusted``, also whether they lead to one of these roots.

    A file that begins with a CA's certificate is taken for a bundle, whose members have nothing to do with each other.
    """
    found = check([(f"certificate {place}", each) for place, each in enumerate(chain, start=1)], now)
    leaf = chain[0]
    if _is_ca(leaf):
        return found
    problems, warnings = list(found.problems), [*found.warnings, *_identity(leaf)]
    way = path.to_root(leaf, chain[1:], trusted.roots) if trusted else path.to_root(leaf, chain[1:], chain[-1:])
    if way is None:
        end = "the last one in the file" if trusted is None else "a root of this CA"
        problems.append(
            f"certificate 1 ({subject(leaf)}), issued by {leaf.issuer.rfc4514_string()}, leads not to {end}"
        )
    else:
        problems += path.faults(way[1:])
    return Findings(tuple(problems), tuple(warnings))


def root_of(chain: Sequence[x509.Certificate], trusted: TrustBundle) -> str:
    """The SHA-256 of the trusted root that the first certificate leads to; empty when it leads to none."""
    way = path.to_root(chain[0], chain[1:], trusted.roots)
    return "" if way is None else fingerprint(way[-1])


def _identity(leaf: x509.Certificate) -> list[str]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return [f"certificate 1 ({subject(leaf)}) has no subject alternative name: no verifier takes it"]
    identities = extension.get_values_for_type(x509.UniformResourceIdentifier)
    if len(identities) > 1:
        return [f"certificate 1 has {len(identities)} URIs ({', '.join(identities)}): SPIFFE allows one"]
    try:
        for identity in identities:
            spiffe.parse(identity)
    except Refused as error:
        return [f"certificate 1: {error}"]
    return []


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, ValueError):
        return False
