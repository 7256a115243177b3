"""Zone-aware routing: callers stay in their zone as far as no zone gets more requests than its endpoints are worth.

Envoy can do this itself where its bootstrap says which cluster it is of, and endpoints of that are sent to it. Here it
is worked out for each workload of callers, so that no proxy has to know its own service.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction

from xds.model.endpoint import Endpoint, Locality
from xds.model.placement import ByZone
from xds.view.specs.clusters import LocalityGroup

Zone = tuple[str, str]
_PARTS = 10_000  # weights are whole numbers


def zoned(chosen: list[Endpoint], order: ByZone) -> Iterator[LocalityGroup]:
    """The endpoints by priority and locality: the shares of zones first, then what takes over. All have weights."""
    near = [endpoint for endpoint in chosen if order.rank(endpoint) == 0]
    counts = Counter[Zone]()
    for endpoint in near:
        counts[_zone(endpoint.locality)] += endpoint.weight
    shares = zone_shares(counts, dict(order.callers), _zone(order.caller)) if len(near) >= order.minimum else {}
    found: dict[tuple[int, int, Locality], list[Endpoint]] = {}
    for endpoint in chosen:
        rank = order.rank(endpoint)
        spare = int(rank == 0 and bool(shares) and _zone(endpoint.locality) not in shares)
        found.setdefault((rank, spare, endpoint.locality), []).append(endpoint)
    priorities = {key: index for index, key in enumerate(sorted({key[:2] for key in found}))}
    for (rank, spare, locality), endpoints in sorted(found.items(), key=lambda item: item[0]):
        weight = sum(endpoint.weight for endpoint in endpoints)
        share = shares.get(_zone(locality)) if (rank, spare) == (0, 0) else None
        if share is not None:
            weight = max(1, round(share * _PARTS * weight / counts[_zone(locality)]))
        yield LocalityGroup(locality, tuple(endpoints), priorities[rank, spare], weight)


def zone_shares(endpoints: Mapping[Zone, int], callers: Mapping[Zone, int], own: Zone) -> dict[Zone, Fraction]:
    """The shares of the requests of callers in zone ``own``, by zone, that add up to 1; none where nothing is known.

    A zone with at least as large a share of the endpoints as of the callers takes all of its callers' requests. Of
    another one's, what is too much goes where more endpoints than callers are.
    """
    near = {zone: count for zone, count in callers.items() if zone in endpoints or zone == own}
    if not near.get(own) or not endpoints:
        return {}
    all_endpoints, all_callers = sum(endpoints.values()), sum(near.values())
    served = {zone: Fraction(count, all_endpoints) for zone, count in endpoints.items()}
    called = {zone: Fraction(count, all_callers) for zone, count in near.items()}
    kept = min(Fraction(1), served.get(own, Fraction(0)) / called[own])
    spare = {zone: share - called.get(zone, Fraction(0)) for zone, share in served.items() if zone != own}
    spare = {zone: share for zone, share in spare.items() if share > 0}
    shares = {own: kept} if kept else {}
    if kept < 1:
        total = sum(spare.values())
        shares |= {zone: (1 - kept) * share / total for zone, share in spare.items()}
    return shares


def _zone(locality: Locality) -> Zone:
    return (locality.region, locality.zone)
