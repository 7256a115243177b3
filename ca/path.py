"""The path from a CA's certificate to a root, and whether each certificate on it may sign what is below it."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.errors import Refused
from ca.keys import checked
from ca.validity import subject

Path = tuple[x509.Certificate, ...]


def to_root(
    certificate: x509.Certificate, intermediates: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> Path | None:
    """The shortest path from ``certificate`` over ``intermediates`` to one of ``roots``, both included; else None.

    A root that signed itself is preferred: not every verifier takes another for an end. ``certificate`` may be a root,
    and may stand among the intermediates too, as may the roots.
    """
    proper = [root for root in roots if root.issuer == root.subject]
    known = (*roots, *intermediates)
    return _shortest(certificate, known, proper) or _shortest(certificate, known, roots)


def _shortest(
    certificate: x509.Certificate, known: Sequence[x509.Certificate], ends: Sequence[x509.Certificate]
) -> Path | None:
    paths: list[Path] = [(certificate,)]
    while paths:
        for path in paths:
            if path[-1] in ends:
                return path
        paths = [
            (*path, parent) for path in paths for parent in known if parent not in path and _signed(parent, path[-1])
        ]
    return None


def faults(path: Path) -> tuple[str, ...]:
    """What forbids that the first certificate of ``path`` signs workloads' certificates; one sentence each."""
    found = []
    for below, certificate in enumerate(path):
        name = subject(certificate)
        found += [f"{name} {fault}" for fault in (*_not_ca(certificate, below), *_weak(certificate))]
    return tuple(found)


def _not_ca(certificate: x509.Certificate, below: int) -> list[str]:
    """``below``: how many CA certificates of the path stand under this one."""
    try:
        extensions = certificate.extensions
    except ValueError as error:
        return [f"has extensions that cannot be read: {error}"]
    found, by_class = [], {type(each.value): each.value for each in extensions}
    constraints = by_class.get(x509.BasicConstraints)
    if not isinstance(constraints, x509.BasicConstraints) or not constraints.ca:
        found.append("is no CA: its basicConstraints must say CA:TRUE")
    elif constraints.path_length is not None and constraints.path_length < below:
        found.append(
            f"allows {constraints.path_length} CA certificates under it (pathlen) and has {below}: "
            "make it with a larger pathlen, or sign with a CA that is nearer to it"
        )
    usage = by_class.get(x509.KeyUsage)
    if isinstance(usage, x509.KeyUsage) and not usage.key_cert_sign:
        found.append("may not sign certificates: its keyUsage must have keyCertSign")
    purposes = by_class.get(x509.ExtendedKeyUsage)
    if isinstance(purposes, x509.ExtendedKeyUsage) and not _fits(purposes):
        found.append("is limited by its extendedKeyUsage: it must have both serverAuth and clientAuth, or not be there")
    return found


def _fits(purposes: x509.ExtendedKeyUsage) -> bool:
    has = set(purposes)
    both = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    return both <= has or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in has


def _weak(certificate: x509.Certificate) -> list[str]:
    found = []
    try:
        checked(certificate.public_key())
    except (Refused, UnsupportedAlgorithm, ValueError) as error:
        found.append(f"has a key that cannot be used: {error}")
    itself = certificate.issuer == certificate.subject  # a root's own signature proves nothing
    if not itself and isinstance(certificate.signature_hash_algorithm, hashes.MD5 | hashes.SHA1):
        found.append(f"is signed with {certificate.signature_hash_algorithm.name}: must be SHA-256 or better")
    return found


def _signed(parent: x509.Certificate, child: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
