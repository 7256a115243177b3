"""Who asks where callers are: rules and services that prefer near endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from xds.decoders.row import Row
from xds.kinds.service import ServiceSpec
from xds.model.placement import BY_NODE, LOCALITY, NODE, SAME_NODE, SAME_ZONE, Nearness
from xds.model.policy import Ejecting, Placing, Policies
from xds.model.problem import Problems, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.snapshot import Input, Table

TRAFFIC_DISTRIBUTION: Final = "networking.istio.io/traffic-distribution"
_LABELS: Final = {
    "PreferClose": SAME_ZONE,
    "PreferSameZone": SAME_ZONE,
    "PreferSameNode": SAME_NODE,
    "Any": (),
}


def placed_rows(policies: Policies, ref: ObjectRef) -> Iterator[Row]:
    """The rows of an object whose policies make callers differ by where they are."""
    placing = policies.that(Placing)
    if policies.that(Ejecting) or any(each.states for each in placing):
        yield Row(Input(Table.PLACED, LOCALITY), ref)
    for key in sorted({key for each in placing for key in each.asks}):
        yield Row(Input(Table.PLACED, BY_NODE) if key == NODE else Input(Table.SELECTOR_KEY, key), ref)


def nearness_rows(nearness: Nearness, ref: ObjectRef) -> Iterator[Row]:
    """The rows of a service that itself prefers near endpoints."""
    if nearness.labels:
        yield Row(Input(Table.PLACED, LOCALITY), ref)
    if nearness.own_node or NODE in nearness.labels:
        yield Row(Input(Table.PLACED, BY_NODE), ref)


def nearness_of(annotations: Mapping[str, str], spec: ServiceSpec | None, found: Problems, at: FieldRef) -> Nearness:
    """What a service asks for: ``trafficDistribution``, else the annotation, and ``internalTrafficPolicy``.

    ``spec`` is None for a ServiceEntry, which has the annotation only; ``at`` is the object's ``metadata``.
    Problems: service.traffic-distribution.
    """
    stated = annotations.get(TRAFFIC_DISTRIBUTION, "")
    if stated and stated not in _LABELS:
        message = f"must be one of {', '.join(_LABELS)}, is {stated!r}, which is not read"
        where = (at / "annotations").key(TRAFFIC_DISTRIBUTION)
        found.add(where, "service.traffic-distribution", message, Severity.WARNING)
    asked = (spec.traffic_distribution if spec is not None else None) or stated
    own_node = spec is not None and spec.internal_traffic_policy == "Local"
    return Nearness(_LABELS.get(asked, ()), own_node)
