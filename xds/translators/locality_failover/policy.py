"""Whether near endpoints are preferred, and where requests go when those fail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from xds.model.placement import NODE, ByRegion, ByShare, ByZone, Order, Place, by_labels, covers, is_locality


@dataclass(frozen=True, slots=True)
class Shares:
    """Where the requests of the callers in one locality go, in per cents that add up to 100; localities as written."""

    callers: str
    shares: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class ZoneAware:
    """The caller's own zone first, as far as it is not overloaded; ``failover`` and ``priority`` as below.

    With fewer near endpoints than ``minimum`` zones do not count.
    """

    failover: tuple[tuple[str, str], ...] = ()
    priority: tuple[str, ...] = ()
    minimum: int = 6  # Envoy's own


@dataclass(frozen=True, slots=True)
class LocalityPreference:
    """Preference for near endpoints; None where a field was left open.

    ``enabled`` None is the mesh's word, ``failover`` has pairs of regions, ``priority`` labels, the strongest first.
    ``of_mesh`` is whether no rule says anything of it.
    """

    enabled: bool | None = None
    distribute: tuple[Shares, ...] | None = None
    failover: tuple[tuple[str, str], ...] | None = None
    priority: tuple[str, ...] | None = None
    of_mesh: bool = False
    zones: ZoneAware | None = None

    def merge(self, parent: LocalityPreference) -> LocalityPreference:
        """This preference; where it says neither shares nor failover, the parent's."""
        enabled = parent.enabled if self.enabled is None else self.enabled
        if self.states:
            return replace(self, enabled=enabled)
        return replace(parent, enabled=enabled, of_mesh=self.of_mesh)

    @property
    def states(self) -> bool:
        """Whether it says more than whether locality counts."""
        return (self.distribute, self.failover, self.priority, self.zones) != (None, None, None, None)

    @property
    def asks(self) -> tuple[str, ...]:
        """The labels that it compares callers by, but for those of their locality; of the node, if it is for few."""
        stated = (self.priority or ()) if self.zones is None else (*self.zones.priority, NODE)
        return tuple(each for each in stated if "=" not in each and not is_locality(each))

    def order(self, place: Place, *, ejecting: bool) -> Order | None:
        """The order in which a caller at ``place`` is given endpoints.

        Shares hold by themselves; priorities only where failing endpoints are found (``ejecting``), as nothing else
        would ever lead to the next one. A caller whose locality nobody knows has none of its own.
        """
        if self.zones is not None:
            return _by_zone(self.zones, place)
        if self.enabled is False:
            return None
        if self.distribute is not None:
            stated = (each.shares for each in self.distribute if covers(each.callers, place.locality))
            return ByShare(next(stated, ()))
        if not ejecting:
            return None
        if self.priority is not None:
            return by_labels(self.priority, place)
        if not any(place.locality):
            return None
        return ByRegion(place.locality, dict(self.failover or ()).get(place.locality.region, ""))


def _by_zone(zones: ZoneAware, place: Place) -> ByZone:
    takes_over = dict(zones.failover).get(place.locality.region, "")
    beyond = by_labels(zones.priority, place) if zones.priority else ByRegion(place.locality, takes_over)
    return ByZone(place.locality, place.callers, beyond, zones.minimum)


DEFAULT: Final = LocalityPreference(enabled=True, of_mesh=True)
"""What holds where nobody says otherwise: near endpoints first, where failing ones are found."""
