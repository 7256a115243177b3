"""Certificates that somebody gave as a Secret."""

from __future__ import annotations

from dataclasses import dataclass, field

from xds.model.refs import ObjectRef


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate chain with its key, and whom to believe, as far as the Secret has them. PEM."""

    ref: ObjectRef
    certificate: bytes = b""
    private_key: bytes = field(default=b"", repr=False)
    authorities: bytes = b""
    revoked: bytes = b""
