"""Callers as sidecars count them in their own statistics: the names of these counters and what bounds them."""

from __future__ import annotations

from typing import Final

SEEN_PLAINTEXT: Final = "plait_plaintext"
"""The scope of counters of callers that prove nothing, by their address and the port of the pod."""

SEEN_PROVEN: Final = "plait_proven"
"""The scope of counters of callers by their SPIFFE id, the port of the pod, and for HTTP the method."""

MAX_CALLERS: Final = 2000
"""Counters of one scope in one Envoy: a counter stays for ever, and costs about 300 bytes."""

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
OTHER_METHOD: Final = "other"
