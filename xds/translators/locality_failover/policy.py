"""Whether near endpoints are preferred, and where requests go when those fail."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Shares:
    """Where the requests of the callers in one locality go, in per cents that add up to 100; localities as written."""

    callers: str
    shares: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class LocalityPreference:
    """Preference for near endpoints; None where a field was left open.

    ``enabled`` None is the mesh's word, ``failover`` has pairs of regions, ``priority`` labels, the strongest first.
    """

    enabled: bool | None = None
    distribute: tuple[Shares, ...] | None = None
    failover: tuple[tuple[str, str], ...] | None = None
    priority: tuple[str, ...] | None = None

    def merge(self, parent: LocalityPreference) -> LocalityPreference:
        """This preference; where it says neither shares nor failover, the parent's."""
        enabled = parent.enabled if self.enabled is None else self.enabled
        if (self.distribute, self.failover, self.priority) != (None, None, None):
            return replace(self, enabled=enabled)
        return replace(parent, enabled=enabled)
