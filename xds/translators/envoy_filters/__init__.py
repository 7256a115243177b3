"""EnvoyFilter: patches in Envoy's own words, applied to messages after everything else is in them.

No feature: patches are no policy of a route or a cluster, but changes of what all policies together have come to.
"""

from __future__ import annotations

from typing import Any, Final

from xds.translators.feature import Feature

FEATURES: Final[tuple[Feature[Any], ...]] = ()
