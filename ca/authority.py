"""Signs identities: makes key and certificate, or a certificate for a key whose owner has shown that it holds it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca import csr as requests
from ca import keys, spiffe
from ca.errors import Refused, Unusable
from ca.issuer import CLOCK_SKEW, Issuer
from ca.keys import KeyKind, PublicKey
from ca.state import CaState
from ca.trust import TrustBundle
from ca.validity import check, span

DEFAULT_LIFETIME: Final = timedelta(hours=24)
SHORTEST_LIFETIME: Final = timedelta(minutes=1)
LONGEST_LIFETIME: Final = timedelta(days=90)

_NO_NAME: Final = x509.Name([])


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate: ``certificate_chain`` is PEM, the leaf, then the intermediates, without the root.

    ``issued_at`` is when it was signed; ``not_before`` is earlier, for clocks that are slow. ``root``: the SHA-256 of
    the root that it leads to.
    """

    certificate_chain: bytes
    issued_at: datetime
    not_before: datetime
    not_after: datetime
    serial: int
    root: str


@dataclass(frozen=True, slots=True)
class Issued(Signed):
    """A certificate and its key, PEM in PKCS #8, which is kept nowhere else."""

    private_key: bytes = field(repr=False)


class Authority:
    """Signs with one issuer for one trust domain. What does not change from one certificate to the next is made once.

    ``roots``: whom the holders of its certificates are to trust, at least the issuer's root.
    """

    def __init__(self, issuer: Issuer, trust_domain: str, roots: TrustBundle | None = None) -> None:
        spiffe.check_trust_domain(trust_domain)
        self.issuer: Final = issuer
        self.trust_domain: Final = trust_domain
        self.roots: Final = TrustBundle.of([issuer.root]) | (roots or TrustBundle())
        self.not_before: Final = issuer.not_before
        self.not_after: Final = issuer.not_after
        self._root = issuer.root_fingerprint
        self._intermediates = issuer.intermediates_pem
        self._digest = keys.digest_for(issuer.key)
        self._builder = (
            x509.CertificateBuilder()
            .subject_name(_NO_NAME)
            .issuer_name(issuer.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_authority_key(issuer.certificate), critical=False)
        )
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        self._workload = self._builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
        self._server = self._builder.add_extension(x509.ExtendedKeyUsage(both[:1]), critical=False)

    @classmethod
    def of(cls, state: CaState, trust_domain: str) -> Authority:
        """Who signs in this state."""
        return cls(state.signer, trust_domain, state.roots)

    def issue(self, spiffe_id: str, lifetime: timedelta, now: datetime, kind: KeyKind = KeyKind.P256) -> Issued:
        """A new key and its certificate for the workload ``spiffe_id``; the caller has proven that it is this workload.

        Errors: as ``sign``.
        """
        name = self._workload_name(spiffe_id)
        key = keys.generate(kind)
        return _issued(self._certify(self._workload, key.public_key(), [name], (lifetime, now)), key)

    def sign(self, csr: bytes, spiffe_id: str, lifetime: timedelta, now: datetime) -> Signed:
        """A certificate for the workload ``spiffe_id`` and the key in ``csr`` (PEM), of which nothing else is read.

        It ends with its issuer at the latest, however long ``lifetime`` is.
        Units:   ``lifetime`` is 1 minute to 90 days.
        Errors:  Refused for an identity that is malformed or of another trust domain, such a lifetime, a CSR that
                 cannot be read or is not signed by its own key, a weak key; Unusable when the issuer is not valid now.
        """
        name = self._workload_name(spiffe_id)
        return self._certify(self._workload, requests.public_key(csr), [name], (lifetime, now))

    def issue_server(self, names: Sequence[str], lifetime: timedelta, now: datetime) -> Issued:
        """A new key and its certificate for a server under these DNS names and addresses. Errors: as ``sign``."""
        if not names:
            raise Refused("a server's certificate needs a name")
        key = keys.generate(KeyKind.P256)
        found = [_server_name(name) for name in names]
        return _issued(self._certify(self._server, key.public_key(), found, (lifetime, now)), key)

    def _workload_name(self, spiffe_id: str) -> x509.GeneralName:
        found = spiffe.parse(spiffe_id)
        if found.trust_domain != self.trust_domain:
            raise Refused(f"{spiffe_id} is of another trust domain: this CA signs for {self.trust_domain}")
        return x509.UniformResourceIdentifier(spiffe_id)

    def _certify(
        self,
        builder: x509.CertificateBuilder,
        key: PublicKey,
        names: Sequence[x509.GeneralName],
        lasts: tuple[timedelta, datetime],
    ) -> Signed:
        not_before, not_after = self._period(*lasts)
        serial = x509.random_serial_number()
        certificate = (
            builder.public_key(key)
            .serial_number(serial)
            .not_valid_before(not_before)
            .not_valid_after(not_after)
            # Critical, as there is no subject (RFC 5280, 4.2.1.6).
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(_RSA_USAGE if isinstance(key, rsa.RSAPublicKey) else _ECDSA_USAGE, critical=True)
            .sign(self.issuer.key, self._digest)
        )
        chain = certificate.public_bytes(Encoding.PEM) + self._intermediates
        return Signed(chain, lasts[1], not_before, not_after, serial, self._root)

    def _period(self, lifetime: timedelta, now: datetime) -> tuple[datetime, datetime]:
        """From when to when; whole seconds, as certificates know no others."""
        if not SHORTEST_LIFETIME <= lifetime <= LONGEST_LIFETIME:
            raise Refused(
                f"a lifetime of {lifetime.total_seconds():g} s: must be {span(SHORTEST_LIFETIME)} "
                f"to {span(LONGEST_LIFETIME)}"
            )
        if not self.not_before <= now < self.not_after:
            raise Unusable(*check([("the CA's certificate", each) for each in self.issuer.path], now).problems)
        moment = now.replace(microsecond=0)
        return max(moment - CLOCK_SKEW, self.not_before), min(moment + lifetime, self.not_after)


def _issued(signed: Signed, key: keys.PrivateKey) -> Issued:
    return Issued(
        signed.certificate_chain,
        signed.issued_at,
        signed.not_before,
        signed.not_after,
        signed.serial,
        signed.root,
        private_key=keys.to_pem(key),
    )


def _server_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        raise Refused(f"{name!r} is no DNS name") from None


def _authority_key(certificate: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        own = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(keys.checked(certificate.public_key()))
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


_ECDSA_USAGE: Final = keys.key_usage("digital_signature")
_RSA_USAGE: Final = keys.key_usage("digital_signature", "key_encipherment")
