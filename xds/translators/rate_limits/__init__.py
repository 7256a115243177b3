"""Rate limits: how many requests a workload takes."""

from __future__ import annotations

from typing import Any, Final

from xds.model.filters import FilterSlot
from xds.translators.feature import RATE_LIMIT, Feature, SlotFilter
from xds.translators.rate_limits.decode import rate_limits
from xds.translators.rate_limits.envoy import counted_by_service, counted_here
from xds.translators.rate_limits.policy import RateLimits

FEATURES: Final[tuple[Feature[Any], ...]] = (
    Feature(
        policy=RateLimits,
        reads=("RateLimit.spec.share", "RateLimit.spec.limits[]", "RateLimit.spec.service"),
        decode={RATE_LIMIT: rate_limits},
        slots=(
            SlotFilter(FilterSlot.RATE_LIMIT, counted_here),
            SlotFilter(FilterSlot.RATE_LIMIT_SERVICE, counted_by_service),
        ),
    ),
)

__all__ = ["FEATURES", "RateLimits"]
