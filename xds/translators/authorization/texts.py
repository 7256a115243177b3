"""Patterns of AuthorizationPolicies as Envoy's StringMatchers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from xds.api.envoy.type.matcher.v3.regex_pb2 import RegexMatcher
from xds.api.envoy.type.matcher.v3.string_pb2 import StringMatcher
from xds.model.identity import SCHEME, TrustDomains
from xds.translators.authorization.policy import Attribute, domains, principals

_DOMAIN: Final = f"{SCHEME}[^/]+"


def text(pattern: str, *, ignore_case: bool = False) -> StringMatcher:
    """``*`` as anything but nothing, ``*abc`` as an end, ``abc*`` as a beginning, all else as the whole."""
    if pattern == "*":
        return regex(".+")
    if pattern.startswith("*"):
        return StringMatcher(suffix=pattern[1:], ignore_case=ignore_case)
    if pattern.endswith("*"):
        return StringMatcher(prefix=pattern[:-1], ignore_case=ignore_case)
    return StringMatcher(exact=pattern, ignore_case=ignore_case)


def regex(expression: str) -> StringMatcher:
    """The whole text by an expression of RE2."""
    return StringMatcher(safe_regex=RegexMatcher(regex=expression))


def caller(attribute: Attribute, pattern: str, trust: TrustDomains) -> Iterator[StringMatcher]:
    """Matchers of the caller's SPIFFE id, of which one must hold, for an attribute that is a part of it."""
    match attribute:
        case Attribute.PRINCIPAL:
            yield from map(_principal, principals(pattern, trust))
        case Attribute.TRUST_DOMAIN:
            yield from map(_trust_domain, domains(pattern, trust))
        case Attribute.NAMESPACE:
            yield regex(f"{_DOMAIN}/ns/{_namespace(pattern)}/.+")
        case _:
            namespace, _, account = pattern.partition("/")
            yield regex(f"{_DOMAIN}/ns/{re.escape(namespace)}/(.+/)?sa/{re.escape(account)}(/.+)?")


def _principal(pattern: str) -> StringMatcher:
    # Ids begin with a scheme that policies leave out; an end needs none.
    return text(pattern) if pattern.startswith("*") else text(SCHEME + pattern)


def _trust_domain(pattern: str) -> StringMatcher:
    if "*" not in pattern:
        return StringMatcher(prefix=f"{SCHEME}{pattern}/")
    if pattern == "*":
        return regex(f"{_DOMAIN}/.+")
    return regex(f"{SCHEME}{'[^/]*'.join(map(re.escape, pattern.split('*')))}/.+")


def _namespace(pattern: str) -> str:
    return "[^/]+" if pattern == "*" else "[^/]*".join(map(re.escape, pattern.split("*")))
