"""The keys that ``when`` of an AuthorizationPolicy takes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from xds.translators.authorization.policy import Attribute

Key = tuple[Attribute, tuple[str, ...]]

_PLAIN: Final[Mapping[str, Attribute]] = MappingProxyType(
    {
        attribute.value: attribute
        for attribute in (
            Attribute.PEER_ADDRESS,
            Attribute.REMOTE_ADDRESS,
            Attribute.NAMESPACE,
            Attribute.PRINCIPAL,
            Attribute.SERVICE_ACCOUNT,
            Attribute.TRUST_DOMAIN,
            Attribute.REQUEST_PRINCIPAL,
            Attribute.AUDIENCES,
            Attribute.PRESENTER,
            Attribute.DESTINATION_ADDRESS,
            Attribute.PORT,
            Attribute.SNI,
        )
    }
)
_HEADER: Final = re.compile(r"request\.headers\[(:?[!#$%&'*+\-.^_`|~0-9A-Za-z]+)\]")
_CLAIM: Final = re.compile(r"request\.auth\.claims((\[[^\[\]]+\])+)")
_METADATA: Final = re.compile(r"experimental\.(envoy\.filters\.[^\[\]]+)\[(.+)\]")
_KNOWN: Final = (
    *_PLAIN,
    "request.headers[NAME]",
    "request.auth.claims[NAME]",
    "experimental.envoy.filters.FILTER[KEY]",
)


def parse(text: str) -> Key | None:
    """The attribute that a key is about and its names (a header's, a claim's path); None when it is no key."""
    plain = _PLAIN.get(text)
    if plain is not None:
        return plain, ()
    if found := _HEADER.fullmatch(text):
        return Attribute.HEADER, (found[1].lower(),)
    if found := _CLAIM.fullmatch(text):
        return Attribute.CLAIM, tuple(found[1][1:-1].split("]["))
    if found := _METADATA.fullmatch(text):
        return Attribute.FILTER_METADATA, (found[1], found[2])
    return None


def advice(text: str) -> str:
    """What to write instead of a key that is none."""
    near = difflib.get_close_matches(text, _KNOWN, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(_KNOWN)}"
