"""Certificates as operators make them, sound and broken."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ca import keys
from ca.issuer import Issuer
from ca.keys import KeyKind, PrivateKey

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
SHOP = "spiffe://cluster.local/ns/shop/sa/web"
DAY = timedelta(days=1)


class Made:
    """One certificate and its key; ``sign`` makes what is below it."""

    def __init__(self, certificate: x509.Certificate, key: PrivateKey) -> None:
        self.certificate = certificate
        self.key = key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return keys.to_pem(self.key)

    def sign(self, name: str, **how: Any) -> Made:
        return authority(name, above=self, **how)


def authority(
    name: str,
    *,
    above: Made | None = None,
    begins: timedelta = -DAY,
    ends: timedelta = 3650 * DAY,
    ca: bool = True,
    path_length: int | None = None,
    extensions: tuple[x509.ExtensionType, ...] = (),
    key: PrivateKey | None = None,
) -> Made:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above.certificate.subject if above else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + begins)
        .not_valid_after(NOW + ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    signer = above.key if above else key
    return Made(builder.sign(signer, keys.digest_for(signer)), key)


def usage(*, key_cert_sign: bool) -> x509.KeyUsage:
    names = ("content_commitment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(
        digital_signature=True, key_encipherment=False, key_cert_sign=key_cert_sign, **dict.fromkeys(names, False)
    )


def istio_files(signer: Made, root: Made, *between: Made) -> dict[str, bytes]:
    """A CA under istio's names; its chain holds the signer too, as istio's own scripts write it."""
    chain = b"".join(each.pem for each in (signer, *between, root))
    return {
        "ca-cert.pem": signer.pem,
        "ca-key.pem": signer.key_pem,
        "root-cert.pem": root.pem,
        "cert-chain.pem": chain,
    }


def issuer(signer: Made, *above: Made) -> Issuer:
    return Issuer((signer.certificate, *(each.certificate for each in above)), signer.key)


def csr(key: PrivateKey | None = None, name: str = "whatever") -> bytes:
    key = key or keys.generate(KeyKind.P256)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    wanted = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("spiffe://cluster.local/ns/evil/sa/root")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(wanted, critical=False)
    return builder.sign(key, keys.digest_for(key)).public_bytes(Encoding.PEM)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None = None) -> ssl.SSLObject:
    """The client's end of a TLS connection in memory. Errors: ssl.SSLError of whoever refuses."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname=name),
    ]
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    ends[0].write(b"hello")
    assert ends[1].read(5) == b"hello"
    return ends[1]
