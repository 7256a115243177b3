"""Whose tokens a workload takes: RequestAuthentications as values.

Source: istio security/v1 RequestAuthentication; istio-semantics 1.9.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from xds.model.filters import FilterSlot
from xds.model.security import KeySet


@dataclass(frozen=True, slots=True)
class TokenHeader:
    """A header that holds a token after ``prefix``."""

    name: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class JwtRule:
    """One issuer of tokens (JWT), where its tokens stand, and what the application is told of them.

    Shape: no ``audiences`` take all; without headers, params and cookies a token stands in ``Authorization: Bearer``
    or in the query parameter ``access_token``. ``claim_headers`` are pairs of header and claim, the steps of a nested
    claim with dots between.
    ``key_set`` is the URI to read the public keys from, a JWKS or an OpenID discovery document; ``""`` where ``jwks``
    is what the user wrote. An empty ``jwks`` is keys not known: no token of the issuer is good.
    """

    issuer: str
    audiences: tuple[str, ...] = ()
    key_set: str = ""
    jwks: str = ""
    from_headers: tuple[TokenHeader, ...] = ()
    from_params: tuple[str, ...] = ()
    from_cookies: tuple[str, ...] = ()
    payload_header: str = ""
    claim_headers: tuple[tuple[str, str], ...] = ()
    forward: bool = False
    space_delimited_claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestAuthentication:
    """The issuers of all objects that hold for a workload, by name.

    A request without a token passes, one with a token that none of them accepts is refused (401).
    """

    rules: tuple[JwtRule, ...] = ()

    def merge(self, parent: RequestAuthentication) -> RequestAuthentication:
        """The issuers of both: a narrower scope adds, it replaces nothing."""
        return in_order(parent.rules + self.rules)

    def in_slot(self, slot: FilterSlot, *, tcp: bool) -> RequestAuthentication | None:
        """The policy in its own slot of HTTP chains; None where there are no issuers."""
        return self if slot is FilterSlot.REQUEST_AUTHENTICATION and not tcp and self.rules else None

    def key_sets(self) -> tuple[str, ...]:
        """The URIs of the keys that have to be fetched, sorted."""
        return tuple(sorted({rule.key_set for rule in self.rules if rule.key_set}))

    def keyed(self, key_set_of: Callable[[str], KeySet | None]) -> RequestAuthentication:
        """The policy with the keys of each issuer; none where they are not known yet."""

        def with_keys(rule: JwtRule) -> JwtRule:
            found = key_set_of(rule.key_set) if rule.key_set else None
            return replace(rule, jwks=found.jwks if found is not None else "") if rule.key_set else rule

        return RequestAuthentication(tuple(map(with_keys, self.rules)))


def in_order(rules: tuple[JwtRule, ...]) -> RequestAuthentication:
    """The policy of these rules, by issuer, those of one issuer in the order given; each once."""
    return RequestAuthentication(tuple(sorted(dict.fromkeys(rules), key=lambda rule: rule.issuer)))
