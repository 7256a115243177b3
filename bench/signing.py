"""``python -m bench.signing``: how long 1000 workload certificates take on one core, beside bare cryptography.

Each has a new P-256 key. The bare loop makes keys and certificates of the same content with nothing around it, so the
ratio is what the CA itself costs. Exit status 1 when 1000 take a second or more.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.authority import Authority
from ca.csr import public_key
from ca.issuer import Issuer, self_signed
from ca.keys import KeyKind, digest_for, generate

COUNT: Final = 1000
BAR_S: Final = 1.0
_REPEATS: Final = 3
_DAY: Final = timedelta(days=1)


def main() -> int:
    """Measure, print, and say whether the bar holds."""
    now = datetime.now(UTC)
    issuer = self_signed(now)
    ca = Authority(issuer, "cluster.local")
    request = _request()
    bare = _seconds(lambda number: _bare(issuer, number, now))
    issued = _seconds(lambda number: ca.issue(_identity(number), _DAY, now))
    proved = _seconds(lambda _: public_key(request))
    signed = _seconds(lambda number: ca.sign(request, _identity(number), _DAY, now))
    _say("bare cryptography: key, certificate, PEM", bare, bare)
    _say("Authority.issue: the same", issued, bare)
    _say("CSR read and its signature verified", proved, bare)
    _say("Authority.sign: a CSR to a certificate", signed, bare)
    worst = max(issued, signed)
    sys.stdout.write(f"bar: {COUNT} in less than {BAR_S:g} s: {'holds' if worst < BAR_S else 'missed'}\n")
    return int(worst >= BAR_S)


def _say(what: str, seconds: float, bare: float) -> None:
    sys.stdout.write(
        f"{what:42} {COUNT} in {seconds:6.3f} s  {seconds / COUNT * 1e6:6.0f} us each  {seconds / bare:5.2f}x\n"
    )


def _seconds(once: Callable[[int], object]) -> float:
    """Processor time for COUNT calls: the median of the repeats, as other processes share the machine."""
    taken = []
    for _ in range(_REPEATS):
        began = time.process_time()
        for number in range(COUNT):
            once(number)
        taken.append(time.process_time() - began)
    return median(taken)


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
