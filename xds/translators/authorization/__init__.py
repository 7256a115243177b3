"""Authorization: who may do what at a workload, by AuthorizationPolicies."""

from __future__ import annotations

from typing import Any, Final

from xds.model.filters import FilterSlot
from xds.translators.authorization import envoy
from xds.translators.authorization.decode import authorization
from xds.translators.authorization.policy import Authorization
from xds.translators.feature import AUTHORIZATION_POLICY, Feature, SlotFilter

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=Authorization,
        reads=(
            "AuthorizationPolicy.spec.rules[]",
            "AuthorizationPolicy.spec.action",
            "AuthorizationPolicy.spec.provider",
            "MeshConfig.extensionProviders[].name",
            "MeshConfig.extensionProviders[].envoyExtAuthzHttp",
            "MeshConfig.extensionProviders[].envoyExtAuthzGrpc",
        ),
        decode={AUTHORIZATION_POLICY: authorization},
        slots=(
            SlotFilter(FilterSlot.CUSTOM_MATCH, envoy.custom_match),
            SlotFilter(FilterSlot.CUSTOM, envoy.custom),
            SlotFilter(FilterSlot.AUDIT, envoy.audit),
            SlotFilter(FilterSlot.DENY, envoy.deny),
            SlotFilter(FilterSlot.ALLOW, envoy.allow),
        ),
    ),
)

__all__ = ["FEATURES", "Authorization"]
