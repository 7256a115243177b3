"""Secrets that hold certificates: those that DestinationRules and Gateways may name."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from xds.decoders.row import Authored, Row
from xds.kinds.secret import Secret as Struct
from xds.model.credential import UNEXAMINED, Credential
from xds.model.refs import FieldRef
from xds.model.snapshot import Input, Table

# Kubernetes' names, then those of Istio's generic Secrets (istio-semantics 3.4).
_CERTIFICATE: Final = ("tls.crt", "cert")
_KEY: Final = ("tls.key", "key")
_AUTHORITIES: Final = ("ca.crt", "cacert")
_REVOKED: Final = ("ca.crl", "crl")
_PEM: Final = b"-----BEGIN "
CREDENTIAL_KEYS: Final = frozenset({*_CERTIFICATE, *_KEY, *_AUTHORITIES, *_REVOKED})
"""What is read of a Secret."""


def is_credential(names: AbstractSet[str]) -> bool:
    """Whether a Secret with these is meant for TLS: ``key`` or ``cert`` alone is anybody's word."""
    return bool(names & CREDENTIAL_KEYS - {"cert", "key"}) or {"cert", "key"} <= names


def decode(authored: Authored) -> Iterator[Row]:
    """The row of a Secret; none for one that holds no certificate. Its texts never reach a finding."""
    struct: Struct = authored.struct
    if not is_credential(struct.data.keys() | struct.string_data.keys()):
        return
    found = {name: _content(authored, struct, names) for name, names in _FIELDS.items()}
    if not any(found.values()):
        return
    if bool(found["certificate"]) != bool(found["private_key"]):
        missing = _KEY[0] if found["certificate"] else _CERTIFICATE[0]
        message = f"must have {missing} too: a certificate and its key go together"
        authored.found.add(FieldRef(authored.ref, ("data",)), "secret.half", message)
    examined = UNEXAMINED
    if found["certificate"] and found["private_key"]:
        examined = authored.examine(found["certificate"], found["private_key"])
        if examined.fault:
            authored.found.add(FieldRef(authored.ref, ("data",)), "secret.unfit", examined.fault)
    credential = Credential(
        authored.ref,
        certificate=found["certificate"],
        private_key=found["private_key"],
        authorities=found["authorities"],
        revoked=found["revoked"],
        begins=examined.begins,
        ends=examined.ends,
    )
    yield Row(Input(Table.CREDENTIAL, (authored.ref.namespace, authored.ref.name)), credential)


def gone(row: Row) -> Row:
    """The row of a Secret that was deleted, and of which the last content goes on being shown."""
    return row._replace(value=replace(row.value, gone=True)) if isinstance(row.value, Credential) else row


_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "certificate": _CERTIFICATE,
    "private_key": _KEY,
    "authorities": _AUTHORITIES,
    "revoked": _REVOKED,
}


def _content(authored: Authored, struct: Struct, names: tuple[str, ...]) -> bytes:
    for name in names:
        if name in struct.string_data:
            return _checked(authored, struct.string_data[name].encode(), ("stringData", name))
        if name in struct.data:
            return _checked(authored, _decoded(authored, struct.data[name], name), ("data", name))
    return b""


def _decoded(authored: Authored, text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        at = FieldRef(authored.ref, ("data",)).key(name)
        authored.found.add(at, "secret.base64", "must be base64; texts go under stringData")
        return b""


def _checked(authored: Authored, content: bytes, path: tuple[str, str]) -> bytes:
    if content and _PEM not in content:
        at = FieldRef(authored.ref, path[:1]).key(path[1])
        authored.found.add(at, "secret.pem", "must be PEM (-----BEGIN ...)")
    return content
