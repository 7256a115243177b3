"""Values of conditions as users write them: what is wrong with them, and the one form that they are kept in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from xds.model.families import plain_network
from xds.model.identity import SCHEME
from xds.model.refs import FieldRef
from xds.translators.authorization.policy import Attribute
from xds.translators.feature import Reading

# What Envoy's URI templates take. One that it does not take must never be sent: Envoy 1.40 aborts over it.
_LITERAL: Final = r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]"
_TEMPLATE: Final = re.compile(rf"(/(\{{\*\}}|\{{\*\*\}}|{_LITERAL}+))+/?")
_LONGEST_TEMPLATE: Final = 256
_TRUST_DOMAIN: Final = re.compile(r"\*|\*?[A-Za-z0-9._-]+|[A-Za-z0-9._-]+\*")
_NAMESPACE: Final = re.compile(r"[a-z0-9*-]+")  # `*` may stand anywhere
_LONGEST_NAMESPACE: Final = 63
_LONGEST_ACCOUNT: Final = 320
_LARGEST_PORT: Final = 65_535
_ACCOUNT_ID: Final = re.compile(r"[^/]+/ns/[^/]+/sa/[^/]+")

Check = Callable[[str, FieldRef, Reading], str | None]


def value(attribute: Attribute, text: str, at: FieldRef, reading: Reading) -> str | None:
    """``text`` in the form that policies keep, or None when it is wrong, which ``reading`` is told.

    Problems: authorization.empty and those of the kind of value (address, port, path, account ...).
    """
    if not text:
        reading.error(at, "authorization.empty", "must not be empty; `*` is any value")
        return None
    return _CHECKS.get(attribute, _pattern)(text, at, reading)


def _pattern(text: str, at: FieldRef, reading: Reading) -> str:
    if "*" in text[1:-1] or (len(text) > 1 and text[0] == text[-1] == "*"):
        message = f"has `*` where it is a plain character, as in {text!r}; it stands for anything at one end only"
        reading.warning(at, "authorization.star", message)
    return text


def _address(text: str, at: FieldRef, reading: Reading) -> str | None:
    block, slash, length = text.partition("/")
    try:
        if "%" in block or (slash and not length.isdigit()):
            raise ValueError(text)
        return str(plain_network(text))
    except ValueError:
        message = f"must be an IP address or a block of them such as 10.1.0.0/16, is {text!r}"
        reading.error(at, "authorization.address", message)
        return None


def _port(text: str, at: FieldRef, reading: Reading) -> str | None:
    if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _LARGEST_PORT and len(text) < 9:
        return str(int(text))
    reading.error(at, "authorization.port", f"must be a port from 1 to 65535, is {text!r}")
    return None


def _path(text: str, at: FieldRef, reading: Reading) -> str | None:
    if "{" not in text and "}" not in text:
        if text[0] not in "/*":
            message = f"must begin with `/`, as paths do, or with `*`; {text!r} never matches"
            reading.warning(at, "authorization.path", message)
        return _pattern(text, at, reading)
    why = _template_fault(text)
    if why:
        reading.error(at, "authorization.path-template", f"{why}, is {text!r}")
        return None
    return text


def _template_fault(text: str) -> str:
    if "*" in text.replace("{*}", "").replace("{**}", ""):
        return "cannot have `*` beside {*} and {**}"
    if not _TEMPLATE.fullmatch(text):
        return "must begin with `/` and have {*}, {**} or plain characters of URLs between slashes, such as /a/{*}/{**}"
    if "{" in text.partition("{**}")[2]:
        return "must have nothing in braces after {**}"
    return "" if len(text) <= _LONGEST_TEMPLATE else f"must be no longer than {_LONGEST_TEMPLATE} characters"


def _host(text: str, at: FieldRef, reading: Reading) -> str:
    if "/" in text:
        message = f"must be a host, maybe with a port, as in a.example or a.example:8080; {text!r} never matches"
        reading.warning(at, "authorization.host", message)
    return _pattern(text, at, reading)


def _method(text: str, at: FieldRef, reading: Reading) -> str:
    if text != text.upper():
        message = f"is {text!r}, which is no method that clients send; they are compared as written: {text.upper()!r}"
        reading.warning(at, "authorization.method-case", message)
    return _pattern(text, at, reading)


def _namespace(text: str, at: FieldRef, reading: Reading) -> str | None:
    if len(text) > _LONGEST_NAMESPACE:
        message = f"must be a namespace's name, which has at most {_LONGEST_NAMESPACE} characters"
        reading.error(at, "authorization.namespace", message)
        return None
    if not _NAMESPACE.fullmatch(text):
        message = f"is no name that a namespace can have, so that it never matches: {text!r}"
        reading.warning(at, "authorization.namespace", message)
    return text


def _account(text: str, at: FieldRef, reading: Reading) -> str | None:
    parts = text.split("/")
    if "*" in text or len(text) > _LONGEST_ACCOUNT or len(parts) > 2 or not all(parts):
        message = f"must be ACCOUNT or NAMESPACE/ACCOUNT, without `*`, is {text!r}"
        reading.error(at, "authorization.account", message)
        return None
    return text if len(parts) == 2 else f"{reading.namespace}/{text}"


def _trust_domain(text: str, at: FieldRef, reading: Reading) -> str | None:
    if _TRUST_DOMAIN.fullmatch(text):
        return text
    message = f"must be a trust domain such as cluster.local, maybe with `*` at one end, is {text!r}"
    reading.error(at, "authorization.trust-domain", message)
    return None


def _principal(text: str, at: FieldRef, reading: Reading) -> str:
    if text.startswith(SCHEME):
        plain = text.removeprefix(SCHEME)
        reading.warning(
            at, "authorization.principal", f"must be written without spiffe://, as {plain!r}; it never matches"
        )
    elif not text.startswith("*") and not text.endswith("*") and not _ACCOUNT_ID.fullmatch(text):
        message = f"is no id of a workload, which is like cluster.local/ns/shop/sa/web; {text!r} never matches"
        reading.warning(at, "authorization.principal", message)
    return _pattern(text, at, reading)


def _request_principal(text: str, at: FieldRef, reading: Reading) -> str:
    issuer, slash, subject = text.rpartition("/")
    if issuer.endswith(":/") or (not slash and "*" not in text) or (slash and not subject):
        message = (
            f"must be ISSUER/SUBJECT, is {text!r}: what follows the last slash is taken for the subject, "
            "so that it never matches"
        )
        reading.warning(at, "authorization.request-principal", message)
    return _pattern(text, at, reading)


_CHECKS: Final[Mapping[Attribute, Check]] = MappingProxyType(
    {
        Attribute.PRINCIPAL: _principal,
        Attribute.REQUEST_PRINCIPAL: _request_principal,
        Attribute.NAMESPACE: _namespace,
        Attribute.SERVICE_ACCOUNT: _account,
        Attribute.TRUST_DOMAIN: _trust_domain,
        Attribute.PEER_ADDRESS: _address,
        Attribute.REMOTE_ADDRESS: _address,
        Attribute.DESTINATION_ADDRESS: _address,
        Attribute.PORT: _port,
        Attribute.PATH: _path,
        Attribute.HOST: _host,
        Attribute.METHOD: _method,
        # The name that a client's TLS asks for comes in lower case, however it was sent.
        Attribute.SNI: lambda text, at, reading: _pattern(text.lower(), at, reading),
    }
)
