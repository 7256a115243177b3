"""Public keys of token issuers as text (JWKS): which of them can check a token, and what is kept of them.

Source: RFC 7517, 7518, 8037; the algorithms are those of Envoy's jwt_authn filter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

DISCOVERY: Final = "/.well-known/openid-configuration"
"""What follows an issuer in the URI of its OpenID discovery document."""

BLOCKED: Final = "0.0.0.0/8 169.254.0.0/16 100.100.100.200/32 ::/128 fe80::/10 fd00:ec2::254/128"
"""Networks from which no keys are read: where clouds answer questions about the machine itself, and "this host"."""

_NUMBERS: Final = MappingProxyType({"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")})
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_OF_CURVES: Final = MappingProxyType(
    {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA",)}
)
_BASE64URL: Final = re.compile(r"([A-Za-z0-9_-]+)={0,2}")
_KEPT: Final = ("kty", "kid", "alg", "use", "crv", "n", "e", "x", "y")
_PRIVATE: Final = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """The keys of a JWKS that can check tokens, each a mapping of its public members, sorted.

    ``skipped`` says of the others why not; ``problem`` says why it is no JWKS, or one without a key of use.
    ``private`` is whether anything stands in the text that has to stay a secret.
    """

    keys: tuple[Mapping[str, str], ...] = ()
    skipped: tuple[str, ...] = ()
    problem: str = ""
    private: bool = False

    @property
    def text(self) -> str:
        """The keys as JWKS, the same for the same keys in any order; ``""`` without any."""
        return as_text(self.keys) if self.keys else ""


def as_text(keys: tuple[Mapping[str, str], ...]) -> str:
    """Keys as the text of a JWKS."""
    return json.dumps({"keys": [dict(key) for key in keys]}, sort_keys=True, separators=(",", ":"))


def public_keys(text: str) -> PublicKeys:
    """The keys in ``text`` that can check tokens, by their shape: whether numbers are a key at all is not asked."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        # Nothing of the text is shown: it may be the answer of a server that its author could not ask.
        return PublicKeys(problem=f"must be a JWKS in JSON{', is HTML' if text.lstrip()[:1] == '<' else ''}")
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        return PublicKeys(problem='must be a JWKS: a mapping with a list of "keys"')
    faults = [_fault(key) for key in listed]
    skipped = tuple(f"key {number}: {fault}" for number, fault in enumerate(faults, 1) if fault)
    good = {
        as_text((kept,)): kept for key, fault in zip(listed, faults, strict=True) if not fault if (kept := _kept(key))
    }
    keys = tuple(good[one] for one in sorted(good))
    problem = "" if keys else f"has no key that can check tokens ({'; '.join(skipped[:3]) or 'the list is empty'})"
    private = any(member in key for key in listed if isinstance(key, dict) for member in _PRIVATE)
    return PublicKeys(keys, skipped, problem, private)


def _kept(key: dict[str, Any]) -> Mapping[str, str]:
    return {member: key[member] for member in _KEPT if member in key}


def _fault(key: Any) -> str:
    """Why the key is of no use; ``""`` when it is."""
    if not isinstance(key, dict):
        return "must be a mapping"
    kind = key.get("kty")
    if kind == "oct":
        return "is a shared secret (kty oct), with which whoever reads it can make tokens; use RSA, EC or OKP"
    if not isinstance(kind, str) or kind not in _NUMBERS:
        return f"kty must be RSA, EC or OKP, is {kind!r}"
    if faulty := [member for member in _KEPT if not isinstance(key.get(member, ""), str)]:
        return f"{faulty[0]} must be a text"
    if key.get("use", "sig") != "sig":
        return f"use must be sig, is {key['use']!r}"
    if faulty := [member for member in _NUMBERS[kind] if member != "crv" and not _number(key.get(member, ""))]:
        return f"{faulty[0]} must be a number in base64url"
    return _algorithm_fault(key, kind)


def _algorithm_fault(key: dict[str, Any], kind: str) -> str:
    can = _RSA if kind == "RSA" else _OF_CURVES.get(key.get("crv", ""), ())
    if not can or (kind == "OKP") != (can == _OF_CURVES["Ed25519"]):
        return f"crv must be {'Ed25519' if kind == 'OKP' else 'P-256, P-384 or P-521'}, is {key.get('crv')!r}"
    if key.get("alg", can[0]) not in can:
        return f"alg must be {' or '.join(can)}, is {key['alg']!r}"
    return ""


def _number(text: str) -> bool:
    match = _BASE64URL.fullmatch(text)
    return match is not None and len(match[1]) % 4 != 1  # no number of whole bytes has that length
