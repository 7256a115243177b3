"""The slots of inbound chains as filters: names only, whose configuration comes apart from the listener (ECDS)."""

from __future__ import annotations

from functools import cache
from typing import Final

from xds.api.envoy.config.core.v3.config_source_pb2 import ExtensionConfigSource
from xds.api.envoy.config.listener.v3.listener_components_pb2 import Filter
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from xds.model.filters import FilterSlot
from xds.translators.config_source import over_ads

_TYPE: Final = "type.googleapis.com/envoy.extensions.filters."
# What may stand in a slot beside RBAC, which may stand in each: without rules it is nothing.
_OTHERS: Final = {
    FilterSlot.CUSTOM: "ext_authz.v3.ExtAuthz",
    FilterSlot.REQUEST_AUTHENTICATION: "jwt_authn.v3.JwtAuthentication",
    FilterSlot.RATE_LIMIT: "local_ratelimit.v3.LocalRateLimit",
    FilterSlot.RATE_LIMIT_SERVICE: "ratelimit.v3.RateLimit",
}


@cache
def http_filters() -> tuple[HttpFilter, ...]:
    """The slots of an HTTP chain, in their order."""
    return tuple(
        HttpFilter(name=slot.resource(tcp=False), config_discovery=_discovered(slot, "http")) for slot in FilterSlot
    )


@cache
def network_filters() -> tuple[Filter, ...]:
    """The slots of a TCP chain, in their order."""
    return tuple(
        Filter(name=slot.resource(tcp=True), config_discovery=_discovered(slot, "network"))
        for slot in FilterSlot
        if not slot.http_only
    )


def _discovered(slot: FilterSlot, level: str) -> ExtensionConfigSource:
    # No default configuration: until the real one is there, nothing may pass.
    message = ExtensionConfigSource(type_urls=[f"{_TYPE}{level}.rbac.v3.RBAC"])
    if slot in _OTHERS:
        message.type_urls.append(f"{_TYPE}{level}.{_OTHERS[slot]}")
    over_ads(message.config_source)
    return message
