"""The order of HTTP filters: a feature picks a phase, never a number (Istio's order, istio-semantics 2.6)."""

from __future__ import annotations

from enum import IntEnum


class Phase(IntEnum):
    """Where in the filter chain a feature's HTTP filter stands."""

    EXTERNAL_AUTHORIZATION = 10
    AUTHENTICATION = 20
    AUTHORIZATION = 30
    RATE_LIMIT = 40
    STATISTICS = 50
    FAULT = 60
    CORS = 70
    SESSION = 80
    ROUTER = 100
