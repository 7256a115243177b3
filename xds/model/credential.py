"""Certificates that somebody gave as a Secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from xds.model.refs import ObjectRef


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate chain with its key, and whom to believe, as far as the Secret has them. PEM.

    ``begins`` and ``ends`` are the POSIX seconds between which the certificate holds; 0 where nobody has looked.
    ``gone`` is whether the Secret was deleted while something showed it, and its last content goes on being shown.
    """

    ref: ObjectRef
    certificate: bytes = b""
    private_key: bytes = field(default=b"", repr=False)
    authorities: bytes = b""
    revoked: bytes = b""
    begins: int = 0
    ends: int = 0
    gone: bool = False


class Examined(NamedTuple):
    """What a certificate and a key are found to be: the key's ``fault`` or the certificate's, else when it holds."""

    fault: str = ""
    begins: int = 0
    ends: int = 0


# A certificate chain and a key (PEM) to what they are: cryptography, which pure code has none of.
Examine = Callable[[bytes, bytes], Examined]

UNEXAMINED: Final = Examined()
"""What is known of those that nobody looks at."""


def unexamined(_certificate: bytes, _private_key: bytes) -> Examined:
    """Nothing: for who has no cryptography."""
    return UNEXAMINED
