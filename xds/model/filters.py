"""The slots of inbound chains: filters that stand in every listener, whose content comes apart from it (ECDS).

The listener never changes when a policy does: its slots are always there, and an empty one lets everything pass. Order
and meaning: istio-semantics 2.6.
"""

from __future__ import annotations

from enum import StrEnum


class FilterSlot(StrEnum):
    """One filter of inbound chains, in the order in which they are asked; the text is the filter's name."""

    CUSTOM_MATCH = "authorization-custom"  # which requests are for an external authorizer: shadow rules
    CUSTOM = "external-authorization"  # the external authorizer
    REQUEST_AUTHENTICATION = "request-authentication"  # tokens; HTTP only
    AUDIT = "authorization-audit"
    DENY = "authorization-deny"
    ALLOW = "authorization-allow"
    RATE_LIMIT = "rate-limit"  # what the proxy counts itself; HTTP only, as the next
    RATE_LIMIT_SERVICE = "rate-limit-service"

    @property
    def http_only(self) -> bool:
        """Whether there is nothing of it to do for plain connections."""
        return self in (FilterSlot.REQUEST_AUTHENTICATION, FilterSlot.RATE_LIMIT, FilterSlot.RATE_LIMIT_SERVICE)

    def resource(self, *, tcp: bool) -> str:
        """The name of the filter and of its configuration."""
        return f"{self.value}-tcp" if tcp else self.value
