"""Request authentication: whose tokens a workload takes."""

from __future__ import annotations

from typing import Any, Final

from xds.model.filters import FilterSlot
from xds.translators.feature import REQUEST_AUTHENTICATION, Feature, SlotFilter
from xds.translators.request_authentication.decode import request_authentication
from xds.translators.request_authentication.envoy import jwt_authn
from xds.translators.request_authentication.policy import RequestAuthentication

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=RequestAuthentication,
        reads=("RequestAuthentication.spec.jwtRules[]",),
        decode={REQUEST_AUTHENTICATION: request_authentication},
        slots=(SlotFilter(FilterSlot.REQUEST_AUTHENTICATION, jwt_authn),),
    ),
)

__all__ = ["FEATURES", "RequestAuthentication"]
