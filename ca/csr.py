"""Certificate signing requests: their key is taken, everything else in them is ignored."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from ca.errors import Refused
from ca.keys import PublicKey, checked

# A request with an RSA key of 8192 bits has some 3 kB.
LARGEST_BYTES: Final = 16 * 1024


def public_key(pem: bytes) -> PublicKey:
    """The key in the request, whose signature proves that the caller has its private half.

    Errors: Refused when it is too large, no request, not signed by its own key, or the key is weak.
    """
    if len(pem) > LARGEST_BYTES:
        raise Refused(f"the CSR has {len(pem)} bytes: at most {LARGEST_BYTES} are read")
    try:
        request = x509.load_pem_x509_csr(pem)
        key = request.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refused("the CSR cannot be read: must be a PEM block CERTIFICATE REQUEST") from None
    found = checked(key)
    try:
        proven = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        proven = False
    if not proven:
        raise Refused("the CSR is not signed by the key in it: the caller has not shown that it holds that key")
    return found
