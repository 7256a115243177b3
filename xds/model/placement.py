"""Where callers are, and which of a service's endpoints they are given, in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from xds.model.endpoint import NOWHERE, Endpoint, Locality
from xds.model.labels import NO_LABELS, Labels, value_of
from xds.model.network import NETWORK

if TYPE_CHECKING:
    from collections.abc import Mapping

REGION: Final = "topology.kubernetes.io/region"
ZONE: Final = "topology.kubernetes.io/zone"
SUBZONE: Final = "topology.istio.io/subzone"
NODE: Final = "kubernetes.io/hostname"
# What may be asked of callers beside labels: the keys of Table.PLACED.
LOCALITY: Final = "locality"
BY_NODE: Final = "node"
_TOPOLOGY: Final[Mapping[str, int]] = {
    REGION: 0,
    ZONE: 1,
    SUBZONE: 2,
    "topology.istio.io/region": 0,
    "topology.istio.io/zone": 1,
}


class Place(NamedTuple):
    """Where a caller is, as far as anybody asks: its locality, its labels, its node.

    ``callers`` is how many pods of its workload there are in each zone (region and zone).
    """

    locality: Locality = NOWHERE
    labels: Labels = NO_LABELS
    node: str = ""
    callers: tuple[tuple[tuple[str, str], int], ...] = ()

    def value(self, key: str) -> str:
        """What the caller has under a label, ``""`` where it has none; topology labels are its locality and node."""
        return _value(key, self)


def is_locality(key: str) -> bool:
    """Whether a label stands for a part of a locality."""
    return key in _TOPOLOGY


def _value(key: str, where: Place | Endpoint) -> str:
    if key in _TOPOLOGY:
        return where.locality[_TOPOLOGY[key]]
    if key == NODE:
        return where.node
    stated = value_of(where.labels, key)
    return where.network if key == NETWORK and isinstance(where, Endpoint) and not stated else stated


def covers(pattern: str, locality: Locality) -> bool:
    """Whether ``pattern`` (``region/zone/subzone``, the end left out or ``*``) covers a locality."""
    for asked, has in zip(pattern.split("/"), locality, strict=False):
        if asked == "*":
            return True
        if asked != has:
            return False
    return True


@dataclass(frozen=True, slots=True)
class ByShare:
    """Fixed shares of the requests: pairs of a locality pattern and a whole number. None: all endpoints alike."""

    shares: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ByRegion:
    """Near endpoints first: of the caller's subzone, its zone, its region, of ``takes_over``, then all others."""

    caller: Locality
    takes_over: str = ""

    by_node = False

    def rank(self, endpoint: Endpoint) -> int:
        """0 for the endpoints that are used first."""
        where = endpoint.locality
        if where.region != self.caller.region:
            return 3 if self.takes_over in ("", where.region) else 4
        if where.zone != self.caller.zone:
            return 2
        return int(where.subzone != self.caller.subzone)


@dataclass(frozen=True, slots=True)
class ByLabel:
    """Endpoints first that have the same labels as the caller: pairs of a label and its value, the strongest first."""

    wanted: tuple[tuple[str, str], ...]

    @property
    def by_node(self) -> bool:
        """Whether callers of another node have another order."""
        return any(key == NODE for key, _ in self.wanted)

    def rank(self, endpoint: Endpoint) -> int:
        """0 for the endpoints that are used first: how many labels there are from the first one that differs."""
        for index, (key, value) in enumerate(self.wanted):
            if _value(key, endpoint) != value:
                return len(self.wanted) - index
        return 0


@dataclass(frozen=True, slots=True)
class ByZone:
    """The caller's own zone first, as far as that does not overload it; then others of the first rank.

    ``callers`` is how many of its workload there are by zone, ``beyond`` what is near and what takes over; with fewer
    endpoints than ``minimum`` zones do not count.
    """

    caller: Locality
    callers: tuple[tuple[tuple[str, str], int], ...]
    beyond: ByRegion | ByLabel
    minimum: int = 0

    by_node = True

    def rank(self, endpoint: Endpoint) -> int:
        """0 for the endpoints among which zones count; a region is near as a whole."""
        rank = self.beyond.rank(endpoint)
        return rank if isinstance(self.beyond, ByLabel) else max(0, rank - 2)


Order = ByShare | ByRegion | ByLabel | ByZone


class Nearness(NamedTuple):
    """What a service itself asks for (Kubernetes' ``trafficDistribution`` and ``internalTrafficPolicy``).

    ``labels`` are those by which endpoints are near, the strongest first; ``own_node`` whether a caller is given no
    endpoints but those of its node.
    """

    labels: tuple[str, ...] = ()
    own_node: bool = False


ANYWHERE: Final = Nearness()
SAME_ZONE: Final = (REGION, ZONE)
SAME_NODE: Final = (REGION, ZONE, NODE)


@dataclass(frozen=True, slots=True)
class Placement:
    """Which endpoints a caller is given: of ``node`` only where set, ready ones only if ``ready``; in which order."""

    order: Order | None = None
    node: str = ""
    ready: bool = False


def by_labels(labels: tuple[str, ...], place: Place) -> ByLabel:
    """The order by labels, each a label that callers have too, or ``label=value``."""
    pairs = (each.partition("=") for each in labels)
    return ByLabel(tuple((key, value if stated else place.value(key)) for key, stated, value in pairs))
