"""What the certificates in Secrets are: whether a key fits its certificate, and when that one holds."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from xds.model.credential import UNEXAMINED, Examined

_MOST: Final = 256


def examined(certificate: bytes, private_key: bytes) -> Examined:
    """What a chain and its key (PEM) are. What this library does not know is left to the proxies to judge."""
    chain = _chain(certificate)
    if isinstance(chain, Examined):
        return chain
    fault = _unfit(chain, private_key)
    return Examined(fault, _seconds(chain.not_valid_before_utc), _seconds(chain.not_valid_after_utc))


@lru_cache(maxsize=_MOST)
def _chain(certificate: bytes) -> x509.Certificate | Examined:
    """The first certificate of a chain."""
    try:
        return x509.load_pem_x509_certificates(certificate)[0]
    except ValueError:
        return Examined("tls.crt must be certificates in PEM, the server's own first; it cannot be read as such")
    except UnsupportedAlgorithm:
        return UNEXAMINED


def _unfit(certificate: x509.Certificate, private_key: bytes) -> str:
    """What is wrong with the key of a certificate; empty where nothing is. Never a part of the key."""
    try:
        # To prove that an RSA key is one takes a second for 4096 bits, and minutes for what fits into a Secret.
        key = load_pem_private_key(private_key, None, unsafe_skip_rsa_key_validation=True)
        fits = key.public_key() == certificate.public_key()
    except TypeError:
        return "tls.key must not be encrypted; nobody could tell the proxies its password"
    except ValueError:
        return "tls.key must be a private key in PEM; it cannot be read as such"
    except UnsupportedAlgorithm:
        return ""
    return "" if fits else "tls.key must be the key of the first certificate in tls.crt, is that of another"


def _seconds(time: datetime) -> int:
    return int(time.timestamp())
