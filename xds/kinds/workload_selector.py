"""Selectors of workloads by labels, in Istio's two spellings."""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from xds.kinds.authored import Strict
from xds.kinds.quantities import Labels, about


class WorkloadSelector(Strict, frozen=True, kw_only=True):
    """The workloads that have all of these labels, as policies and DestinationRules spell it."""

    match_labels: Annotated[Labels, about("Labels; none selects all.")] = field(default_factory=dict)


class WorkloadLabels(Strict, frozen=True, kw_only=True):
    """The workloads that have all of these labels, as ServiceEntry, Sidecar and EnvoyFilter spell it."""

    labels: Annotated[Labels, about("Labels; none selects all.")] = field(default_factory=dict)
