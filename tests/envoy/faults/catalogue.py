"""The whole catalogue."""

from __future__ import annotations

from tests.envoy.faults import configured, edge, identity, running
from tests.envoy.faults.fault import Fault


def catalogue() -> tuple[Fault, ...]:
    """All faults, in the order of the table that a run prints."""
    return (*configured.faults(), *edge.faults(), *identity.faults(), *running.faults())
