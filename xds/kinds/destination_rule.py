"""DestinationRule: policies for the traffic to a service after it was routed."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import field

from xds.kinds.authored import Authored, Kind, Strict
from xds.kinds.quantities import Labels, NonEmpty, about
from xds.kinds.traffic_policy import TrafficPolicy
from xds.kinds.workload_selector import WorkloadSelector


class Subset(Strict, frozen=True, kw_only=True):
    """A named part of a service's endpoints."""

    name: Annotated[NonEmpty, about("Name that routes use.")]
    labels: Annotated[Labels, about("Labels that an endpoint must have.")] = field(default_factory=dict)
    traffic_policy: Annotated[TrafficPolicy | None, about("Policy that goes before the rule's own.")] = None


class DestinationRuleSpec(Strict, frozen=True, kw_only=True):
    """The policies of one service."""

    host: Annotated[
        NonEmpty,
        about("Service; a name without dots is one of the rule's own namespace."),
    ]
    traffic_policy: Annotated[TrafficPolicy | None, about("Policy for all of its endpoints.")] = None
    subsets: Annotated[tuple[Subset, ...], about("Named parts of it.")] = ()
    export_to: Annotated[tuple[str, ...], about("Namespaces that see the rule; `.` its own, `*` all.")] = ()
    workload_selector: Annotated[WorkloadSelector | None, about("Callers in its own namespace it is for.")] = None


class DestinationRule(Authored, frozen=True, kw_only=True):
    """Policies for the traffic to a service after it was routed."""

    KIND: ClassVar[Kind] = Kind(
        "networking.istio.io",
        "DestinationRule",
        ("v1", "v1beta1", "v1alpha3"),
        "destinationrules",
        ("dr",),
    )

    spec: Annotated[DestinationRuleSpec, about("The policies.")]
