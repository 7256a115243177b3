"""Texts and documents without what is secret: private keys, tokens, passwords, credentials in headers. Pure.

What is taken out is recognised by its form wherever it stands, and by its name in documents. Certificates stay: they
are public, and what is wrong with them is a frequent reason for trouble.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

REDACTED: Final = "[redacted]"

_PEM: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_TOKEN: Final = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*")
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_HEADER: Final = re.compile(
    r"(?im)^(\s*[\"']?(?:authorization|proxy-authorization|cookie|set-cookie|x-api-key)[\"']?\s*[:=]\s*).+$"
)
_QUERY: Final = re.compile(
    r"(?i)([?&](?:access_token|id_token|refresh_token|token|key|api_key|apikey|password|secret|sig|signature|code)=)"
    r"[^&\s\"'#]+"
)
_USER: Final = re.compile(r"([a-z][a-z0-9+.-]*://)[^/\s:@\"']+:[^/\s@\"']+@")
# Private members of JSON Web Keys (RFC 7518, 6): long values under short names.
_JWK: Final = re.compile(r"(\\*\"(?:d|p|q|dp|dq|qi|k)\\*\"\s*:\s*\\*\")[A-Za-z0-9_-]{16,}")
# The same names with their value beside them: JSON (maybe within a string), Envoy's debug log, key=value, code.
_WORDS: Final = (
    r"(?:(?:proxy-)?authorization|(?:set-)?cookie|[\w.-]*?(?:token|secret|password|passwd|passphrase|api[_-]?key|"
    r"access[_-]?key|private[_-]?key))"
)
_PAIR: Final = re.compile(rf"(?i)(\\*)(\"){_WORDS}\1\2\s*:\s*\1\2(?P<value>(?:\\.|[^\\])*?)\1\2")
_SPOKEN: Final = re.compile(rf"(?i)('{_WORDS}'\s*[:,]\s*')[^'\n]*")
_ASSIGNED: Final = re.compile(
    r"(?i)(\b\w*(?:token|secret|password|passwd|passphrase|api_?key)\s*=\s*)(?:\\*\"[^\"\\\n]*|'[^'\n]*|[^\s&\"'\\,;]+)"
)
_BASE64: Final = re.compile(r"\bLS0tLS1CRUdJTi[A-Za-z0-9+/=\s]*")
# What all of these need: most strings of a document have nothing of it.
_SUSPECT: Final = re.compile(r"(?i)LS0tLS1|eyJ|bearer|basic|://|auth|cookie|token|secret|pass|key|[?&\"]")
_NAMED: Final = re.compile(
    r"(?i)(private_?key|password|passwd|passphrase|client_?secret|secret_?key|shared_?secret|hmac_?secret|api_?key|"
    r"(access|refresh|id|bearer|auth|join)_?token|(^|_)token$|^secret$|generic_secret|session_ticket_keys|pkcs12|"
    r"access_?key$|^users$|^(proxy_?)?authorization$|^(set_?)?cookie$|x_?api_?key)"
)
_CONDITION: Final = re.compile(r"request\.headers\[(.*)\]")
_NAMES: Final = ("key", "name", "header_name")
_VALUES: Final = frozenset(
    {"value", "raw_value", "values", "not_values", "notValues", "string_match", "exact", "safe_regex"}
    | {f"{how}_match" for how in ("exact", "prefix", "suffix", "contains", "regex", "safe_regex")}
)
# What is said of a secret, rather than the secret: a file's name, whether there is one.
_SAID: Final = frozenset({"filename", "environment_variable"})


def scrubbed(text: str) -> str:
    """The text with whatever looks like a secret replaced."""
    if _SUSPECT.search(text) is None:
        return text
    text = _PEM.sub(REDACTED, text)
    text = _BASE64.sub(_unless_public, text)
    text = _TOKEN.sub(REDACTED, text)
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    text = _QUERY.sub(rf"\1{REDACTED}", text)
    text = _USER.sub(rf"\1{REDACTED}@", text)
    text = _JWK.sub(rf"\1{REDACTED}", text)
    text = _PAIR.sub(_without_value, text)
    text = _SPOKEN.sub(rf"\1{REDACTED}", text)
    text = _ASSIGNED.sub(rf"\1{REDACTED}", text)
    return text if text.lstrip()[:1] in ("{", "[") else _HEADER.sub(rf"\1{REDACTED}", text)


def _without_value(found: re.Match[str]) -> str:
    begin, end = (found[0][: found.start("value") - found.start()], found[0][found.end("value") - found.start() :])
    return f"{begin}{REDACTED if found['value'] else ''}{end}"


def _unless_public(found: re.Match[str]) -> str:
    """PEM in base64, as Secrets and Envoy's dumps have it: what decodes to nothing but certificates stays."""
    text = "".join(found[0].split())
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return REDACTED
    return REDACTED if b"PRIVATE KEY" in decoded or b"-----BEGIN" not in decoded else found[0]


def without_secrets(document: Any) -> Any:
    """A JSON document with the values of fields and headers blanked that are named as secrets are."""
    if isinstance(document, list | tuple):
        return [without_secrets(each) for each in document]
    if not isinstance(document, Mapping):
        return scrubbed(document) if isinstance(document, str) else document
    header = next((document[key] for key in _NAMES if isinstance(document.get(key), str)), "")
    within = _CONDITION.fullmatch(header)
    secret_header = _is_secret(within[1] if within is not None else header)
    return {
        key: _blank(each) if _is_secret(key) or (secret_header and key in _VALUES) else without_secrets(each)
        for key, each in document.items()
    }


def _is_secret(key: Any) -> bool:
    return isinstance(key, str) and _NAMED.search(key.replace("-", "_")) is not None


def _blank(value: Any) -> Any:
    """The shape stays, so that one sees what was there."""
    if isinstance(value, Mapping):
        return {key: each if key in _SAID else _blank(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_blank(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float) or value == "" else REDACTED
