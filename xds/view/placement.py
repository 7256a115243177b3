"""Which of a service's endpoints a caller is given, and which of them first: by where both are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from math import gcd

from xds.model.endpoint import Endpoint, Health, Locality
from xds.model.labels import Labels
from xds.model.placement import ByLabel, ByRegion, ByShare, ByZone, Order, Place, Placement, by_labels, covers
from xds.model.policy import Ejecting, Placing, Policies
from xds.model.service import Service
from xds.view.specs.clusters import LocalityGroup
from xds.view.zones import zoned


def placement(service: Service, policies: Policies, place: Place) -> Placement | None:
    """What a caller at ``place`` is given of a service's endpoints; None where all callers are given the same.

    Source: istio-semantics 2.9: what the rule says goes before what the service says, and that before the mesh's word.
    """
    order = _order(service, policies, place)
    node = place.node if service.nearness.own_node else ""
    # An endpoint that is not ready would count as failed: a service that grows would lose its callers to other places,
    # and where most have failed, so that Envoy uses all again, it would be called before it is ready.
    ready = order is not None or bool(policies.that(Ejecting))
    wanted = Placement(order, node, ready)
    return wanted if wanted != Placement() else None


def asks_node(service: Service, policies: Policies, place: Place) -> bool:
    """Whether a service's callers are given other endpoints on another node, or as other workloads."""
    order = _order(service, policies, place)
    return service.nearness.own_node or (isinstance(order, ByLabel | ByZone) and order.by_node)


def _order(service: Service, policies: Policies, place: Place) -> Order | None:
    ejecting = bool(policies.that(Ejecting))
    for placing in policies.that(Placing):
        if placing.of_mesh and service.nearness.labels:
            break
        return placing.order(place, ejecting=ejecting)
    return by_labels(service.nearness.labels, place) if service.nearness.labels else None


def placed(listed: Iterable[Endpoint], subset: Labels, wanted: Placement) -> tuple[LocalityGroup, ...]:
    """Those endpoints whose labels include ``subset``, as ``wanted``: by priority and locality, sorted."""
    chosen = [
        endpoint
        for endpoint in listed
        if subset <= endpoint.labels
        and wanted.node in ("", endpoint.node)
        and not (wanted.ready and endpoint.health is Health.UNHEALTHY)
    ]
    if isinstance(wanted.order, ByShare):
        return tuple(_shared(chosen, wanted.order.shares))
    if isinstance(wanted.order, ByZone):
        return tuple(zoned(chosen, wanted.order))
    return tuple(_ranked(chosen, wanted.order))


def _ranked(chosen: list[Endpoint], order: ByRegion | ByLabel | None) -> Iterator[LocalityGroup]:
    found: dict[tuple[int, Locality], list[Endpoint]] = {}
    for endpoint in chosen:
        rank = order.rank(endpoint) if order is not None else 0
        found.setdefault((rank, endpoint.locality), []).append(endpoint)
    # Envoy wants priorities without gaps.
    priorities = {rank: index for index, rank in enumerate(sorted({rank for rank, _ in found}))}
    for (rank, locality), endpoints in sorted(found.items(), key=lambda item: item[0]):
        yield LocalityGroup(locality, tuple(endpoints), priorities[rank])


def _shared(chosen: list[Endpoint], shares: tuple[tuple[str, int], ...]) -> Iterator[LocalityGroup]:
    found: dict[Locality, list[Endpoint]] = {}
    for endpoint in chosen:
        found.setdefault(endpoint.locality, []).append(endpoint)
    own = {locality: sum(endpoint.weight for endpoint in endpoints) for locality, endpoints in found.items()}
    weights = _weights(own, shares) if shares else own
    divisor = gcd(*weights.values()) or 1
    for locality in sorted(weights):
        yield LocalityGroup(locality, tuple(found[locality]), weight=weights[locality] // divisor)


def _weights(own: dict[Locality, int], shares: tuple[tuple[str, int], ...]) -> dict[Locality, int]:
    """Weights of those localities that a share names, by the most precise name; several of one name split its share."""
    precise = sorted(shares, key=lambda share: (-len(share[0].rstrip("/*").split("/")), share[0] == "*", share[0]))
    named: dict[Locality, tuple[str, int]] = {}
    for locality in own:
        share = next((each for each in precise if covers(each[0], locality)), None)
        if share is not None:
            named[locality] = share
    totals: Counter[str] = Counter()
    for locality, (pattern, _) in named.items():
        totals[pattern] += own[locality]
    return {
        locality: max(1, share * own[locality] * _PARTS // max(1, totals[pattern]))
        for locality, (pattern, share) in named.items()
    }


_PARTS = 10_000  # weights are whole numbers: shares of several localities are told apart to a hundredth of a per cent
