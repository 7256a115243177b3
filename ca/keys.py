"""Private keys: made in memory, read and written as PEM, and judged."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from ca.errors import Refused

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class KeyKind(StrEnum):
    """The keys that are made here."""

    P256 = "P-256"
    RSA2048 = "RSA-2048"
    RSA4096 = "RSA-4096"


_RSA_BITS: Final = {KeyKind.RSA2048: 2048, KeyKind.RSA4096: 4096}
_SMALLEST_RSA_BITS: Final = 2048
# BoringSSL refuses larger ones in handshakes.
_LARGEST_RSA_BITS: Final = 8192
# Of these Envoy takes certificates; its default signature algorithms have no Ed25519.
_CURVES: Final = ("secp256r1", "secp384r1")


def generate(kind: KeyKind) -> PrivateKey:
    """A new key. P-256 takes microseconds, RSA a good part of a second."""
    if kind is KeyKind.P256:
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS[kind])


def to_pem(key: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """The key as PKCS #8, encrypted when there is a passphrase."""
    encryption: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def from_pem(pem: bytes, passphrase: bytes | None = None) -> PrivateKey:
    """The key in ``pem`` (PKCS #8 or the older forms); a passphrase is ignored where the key is not encrypted.

    Errors: Refused when it is no such key, a weak one, or the passphrase is missing or wrong.
    """
    encrypted = b"ENCRYPTED" in pem
    if encrypted and not passphrase:
        raise Refused("the key is encrypted and no passphrase was given")
    try:
        key = load_pem_private_key(pem, passphrase if encrypted else None)
    except (ValueError, TypeError):  # their texts add nothing that is safe to show
        reason = "the passphrase is wrong, or it is no private key" if encrypted else "it is no private key in PEM"
        raise Refused(reason) from None
    except Exception:  # UnsupportedAlgorithm and the like
        raise Refused("it is a private key of a kind that is not supported") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise Refused("it must be an ECDSA or an RSA key")
    checked(key.public_key())
    return key


def checked(key: PublicKeyTypes) -> PublicKey:
    """``key`` when a certificate for it works with Envoy: P-256, P-384, RSA of 2048 to 8192 bits. Errors: Refused."""
    if isinstance(key, rsa.RSAPublicKey):
        if not _SMALLEST_RSA_BITS <= key.key_size <= _LARGEST_RSA_BITS:
            raise Refused(
                f"an RSA key of {key.key_size} bits: must have {_SMALLEST_RSA_BITS} to {_LARGEST_RSA_BITS} bits"
            )
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise Refused(f"an ECDSA key on curve {key.curve.name}: must be on P-256 or P-384")
        return key
    raise Refused("must be an ECDSA key on P-256 or P-384, or an RSA key of at least 2048 bits")


def digest_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """What this key signs: a hash of the strength of its curve, SHA-256 for RSA."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:
        return hashes.SHA384()
    return hashes.SHA256()


def same(private: PrivateKey, public: PublicKeyTypes) -> bool:
    """Whether ``public`` belongs to ``private``."""
    return _encoded(private.public_key()) == _encoded(public)


def _encoded(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_usage(*allowed: str) -> x509.KeyUsage:
    """The extension that allows a certificate's key these uses (``digital_signature``, ``key_cert_sign``), no others.

    Source: RFC 5280, 4.2.1.3.
    """
    return x509.KeyUsage(**{name: name in allowed for name in _USES})


_USES: Final = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
