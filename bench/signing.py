"""``python -m bench.signing``: how long 1000 workload certificates take on one core, beside bare cryptography.

Each has a new P-256 key. The bare loop makes keys and certificates of the same content with nothing around it, so the
ratio is what the CA itself costs. Exit status 1 when 1000 take a second or more.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from bench.figures import BAR_S, ISSUED, SIGNED, SIGNING, Figure
from ca.authority import Authority
from ca.csr import public_key
from ca.issuer import Issuer, self_signed
from ca.keys import KeyKind, digest_for, generate

COUNT: Final = 1000
_REPEATS: Final = 3
_DAY: Final = timedelta(days=1)


def main() -> int:
    """Measure, print, and say whether the bar holds."""
    measured = figures()
    for figure in measured:
        each_us = figure.value / COUNT * 1e6
        sys.stdout.write(f"{figure.what:46} {figure.value:6.3f} s  {each_us:6.0f} us each  {figure.ratio:5.2f}x\n")
    missed = any(figure.verdict == "missed" for figure in measured)
    sys.stdout.write(f"bar: {COUNT} in less than {BAR_S:g} s: {'missed' if missed else 'holds'}\n")
    return int(missed)


def figures() -> list[Figure]:
    """The processor time of COUNT certificates with their keys, of CSRs verified, and of CSRs signed."""
    now = datetime.now(UTC)
    issuer = self_signed(now)
    ca = Authority(issuer, "cluster.local")
    request = _request()
    bare = _seconds(lambda number: _bare(issuer, number, now))

    def line(what: str, once: Callable[[int], object]) -> Figure:
        return Figure(SIGNING, 0, what, "s", _seconds(once), bare)

    return [
        line(ISSUED, lambda number: ca.issue(_identity(number), _DAY, now)),
        line("1000 CSRs verified", lambda _: public_key(request)),
        line(SIGNED, lambda number: ca.sign(request, _identity(number), _DAY, now)),
    ]


def _seconds(once: Callable[[int], object]) -> tuple[float, ...]:
    """Processor time for COUNT calls, as other processes share the machine; one for each repeat."""
    taken = []
    for _ in range(_REPEATS):
        began = time.process_time()
        for number in range(COUNT):
            once(number)
        taken.append(time.process_time() - began)
    return tuple(taken)


def _identity(number: int) -> str:
    return f"spiffe://cluster.local/ns/shop/sa/account-{number}"


def _request() -> bytes:
    key = generate(KeyKind.P256)
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, digest_for(key)).public_bytes(Encoding.PEM)


def _bare(issuer: Issuer, number: int, now: datetime) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(True, *[False] * 8)
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(authority, critical=False)
        .add_extension(purposes, critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(_identity(number))]), critical=True)
        .add_extension(usage, critical=True)
        .sign(issuer.key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), pem


if __name__ == "__main__":
    sys.exit(main())
