"""Whether a request has what one condition of an AuthorizationPolicy asks for.

Source: istio-semantics 4.2; config.rbac.v3, type.matcher.v3 and path.match.uri_template of Envoy for the details.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from xds.explain.request import Claims, HttpRequest, Request
from xds.model.families import plain_network
from xds.model.identity import SCHEME, TrustDomains
from xds.model.mesh import Paths
from xds.translators.authorization.policy import (
    Attribute,
    Condition,
    domains,
    principals,
    request_principal,
    starred,
    strangers,
)

# One segment, and the rest, of a URI template: the characters that Envoy lets them stand for.
_SEGMENT: Final = r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]"
# The escapes of what needs none (RFC 3986, 2.3), and what is escaped where it is not.
_ESCAPED: Final = re.compile("%(2[DdEe]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|7[Ee])")
_ESCAPED_SLASH: Final = re.compile("%(2[Ff]|5[Cc])")
_NO_URL: Final = re.compile(r'["<>^`{|}]')
_TEMPLATE: Final = re.compile(r"\{\*\*\}|\{\*\}")


def holds(condition: Condition, request: Request, trust: TrustDomains, *, narrow: bool) -> bool:
    """Whether the request has one of ``values`` (if there are any), and none of ``not_values``.

    ``narrow``: callers of federated meshes have what they are meant to have only, as in ALLOW policies.
    """

    def one_of(patterns: Iterable[str], *, narrow: bool) -> bool:
        return any(
            _has(condition, pattern, request, trust)
            and not (narrow and _is_stranger(condition.attribute, pattern, request, trust))
            for pattern in patterns
        )

    wanted = not condition.values or one_of(condition.values, narrow=narrow)
    return wanted and not one_of(condition.not_values, narrow=not narrow)


_OF_CALLERS: Final = frozenset(
    {Attribute.PRINCIPAL, Attribute.TRUST_DOMAIN, Attribute.NAMESPACE, Attribute.SERVICE_ACCOUNT}
)


def _is_stranger(attribute: Attribute, pattern: str, request: Request, trust: TrustDomains) -> bool:
    domain = request.principal.partition("/")[0]
    return attribute in _OF_CALLERS and domain in strangers(attribute, pattern, trust)


def actual(condition: Condition, request: Request) -> str:
    """What the request has, in words."""
    attribute = condition.attribute
    if attribute.of_token:
        return _claim_text(condition, request)
    if attribute is Attribute.FILTER_METADATA:
        return "not known here"
    found = _fact(condition, request)
    return repr(found) if found else "absent"


def _has(condition: Condition, pattern: str, request: Request, trust: TrustDomains) -> bool:
    attribute = condition.attribute
    if attribute.of_token:
        return _in_token(condition, pattern, request)
    if attribute is Attribute.FILTER_METADATA:
        return False  # what other filters have written shows in a proxy only
    found = _fact(condition, request)
    if found is None:
        return False
    if attribute is Attribute.PRINCIPAL:
        return any(_principal(each, found) for each in principals(pattern, trust))
    if attribute is Attribute.TRUST_DOMAIN:
        return any(string(each, found) for each in domains(pattern, trust))
    return _MATCHES.get(attribute, string)(pattern, found)


# -- what the request has

Fact = Callable[[Request], str | None]


def _service_account(request: Request) -> str | None:
    _, _, path = request.principal.partition("/ns/")
    namespace, found, account = path.partition("/sa/")
    return f"{namespace}/{account}" if found else None


def _of_http(read: Callable[[HttpRequest], str]) -> Fact:
    return lambda request: read(request.http) if request.http is not None else None


_FACTS: Final[Mapping[Attribute, Fact]] = {
    Attribute.PRINCIPAL: lambda request: request.principal or None,
    Attribute.NAMESPACE: lambda request: request.principal.partition("/ns/")[2].partition("/")[0] or None,
    Attribute.SERVICE_ACCOUNT: _service_account,
    Attribute.TRUST_DOMAIN: lambda request: request.principal.partition("/")[0] or None,
    Attribute.PEER_ADDRESS: lambda request: request.peer or None,
    Attribute.REMOTE_ADDRESS: lambda request: request.remote or None,
    Attribute.DESTINATION_ADDRESS: lambda request: request.destination or None,
    Attribute.PORT: lambda request: str(request.port),
    Attribute.SNI: lambda request: request.sni or None,
    Attribute.HOST: _of_http(lambda http: http.authority),
    Attribute.METHOD: _of_http(lambda http: http.method),
    Attribute.PATH: _of_http(lambda http: normalized(http.path, http.paths)),
}


def _fact(condition: Condition, request: Request) -> str | None:
    if condition.attribute is Attribute.HEADER:
        return request.http.header(condition.key[0]) if request.http is not None else None
    return _FACTS[condition.attribute](request)


def normalized(path: str, paths: Paths = Paths.BASE) -> str:
    """The path as proxies match it: no query and no fragment, ``.`` and ``..`` resolved, a backslash read as ``/``.

    Letters, digits and ``-._~`` lose their escapes, what no URL may have is escaped, and ``..;x`` is ``..``.
    Source: by experiment with Envoy 1.40 (normalize_path), every character and every escape.
    """
    plain = re.split(r"[?#]", path, maxsplit=1)[0]
    if paths is Paths.NONE:
        return plain
    if paths is Paths.DECODE_AND_MERGE_SLASHES:
        plain = _ESCAPED_SLASH.sub(lambda found: chr(int(found[1], 16)), plain)
    plain = plain.replace("\\", "/")
    if not plain.startswith("/"):
        return plain
    segments = list(map(_segment, plain.split("/")))
    kept: list[str] = []
    for segment in segments[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    found = "/" + "/".join([*kept, ""] if segments[-1] in {".", ".."} else kept)
    return found if paths is Paths.BASE else re.sub("//+", "/", found)


def _segment(text: str) -> str:
    plain = text.partition(";")[0]
    if plain in {".", ".."}:
        return plain
    return _NO_URL.sub(lambda found: f"%{ord(found[0]):02X}", _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text))


# -- how it is compared


def string(pattern: str, found: str) -> bool:
    """``*`` is anything but nothing, ``abc*`` a beginning, ``*abc`` an end, all else the whole."""
    if pattern == "*":
        return bool(found)
    if pattern.startswith("*"):
        return found.endswith(pattern[1:])
    return found.startswith(pattern[:-1]) if pattern.endswith("*") else found == pattern


def _without_case(pattern: str, found: str) -> bool:
    return string(pattern.lower(), found.lower())


def _header(pattern: str, found: str) -> bool:
    return True if pattern == "*" else string(pattern, found)


def _principal(pattern: str, found: str) -> bool:
    # Ids begin with a scheme, which only an end may reach into.
    return string(pattern, SCHEME + found if pattern.startswith("*") else found)


def _namespace(pattern: str, found: str) -> bool:
    return starred(pattern, found)


def _address(pattern: str, found: str) -> bool:
    try:
        return plain_network(found).network_address in plain_network(pattern)
    except ValueError:
        return False


def path(pattern: str, found: str) -> bool:
    """A string pattern; or a template, where ``{*}`` is one segment and ``{**}`` any number of them."""
    if _TEMPLATE.search(pattern) is None:
        return string(pattern, found)
    literals = map(re.escape, _TEMPLATE.split(pattern))
    operators = [_SEGMENT + "+" if each == "{*}" else f"(?:{_SEGMENT}|/)*" for each in _TEMPLATE.findall(pattern)]
    return re.fullmatch("".join(a + b for a, b in zip(literals, [*operators, ""], strict=True)), found) is not None


_MATCHES: Final[Mapping[Attribute, Callable[[str, str], bool]]] = {
    Attribute.NAMESPACE: _namespace,
    Attribute.PEER_ADDRESS: _address,
    Attribute.REMOTE_ADDRESS: _address,
    Attribute.DESTINATION_ADDRESS: _address,
    Attribute.HOST: _without_case,
    Attribute.HEADER: _header,
    Attribute.PATH: path,
}


# -- tokens


def _claims(request: Request) -> Claims | None:
    token = request.http.token if request.http is not None else None
    return token if isinstance(token, Mapping) else None


def _in_token(condition: Condition, pattern: str, request: Request) -> bool:
    claims = _claims(request)
    if claims is None:
        return False
    if condition.attribute is Attribute.REQUEST_PRINCIPAL:
        return _issued(pattern, claims)
    return any(string(pattern, each) for each in _texts(_at(claims, condition.claim)))


def _issued(pattern: str, claims: Claims) -> bool:
    """Issuer and subject apart, as they are two claims."""
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not isinstance(issuer, str) or not isinstance(subject, str):
        return False
    wanted_issuer, wanted_subject = request_principal(pattern)
    return string(wanted_issuer, issuer) and string(wanted_subject, subject)


def _at(claims: Claims, key: Iterable[str]) -> object:
    found: object = claims
    for step in key:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _texts(claim: object) -> tuple[str, ...]:
    if isinstance(claim, str):
        return (claim,)
    return tuple(each for each in claim if isinstance(each, str)) if isinstance(claim, list | tuple) else ()


def _claim_text(condition: Condition, request: Request) -> str:
    claims = _claims(request)
    if claims is None:
        return "absent, as no valid token comes with it"
    if condition.attribute is Attribute.REQUEST_PRINCIPAL:
        return repr(f"{claims.get('iss', '')}/{claims.get('sub', '')}")
    found: Any = _at(claims, condition.claim)
    return "absent" if found is None else repr(found)
