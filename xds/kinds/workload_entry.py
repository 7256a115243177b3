"""WorkloadEntry: an endpoint that is no pod; also inline in a ServiceEntry."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import field

from xds.kinds.authored import Authored, Kind, Strict
from xds.kinds.quantities import Labels, PortNumber, UInt32, about


class WorkloadEntrySpec(Strict, frozen=True, kw_only=True):
    """One endpoint."""

    address: Annotated[
        str,
        about("IP address, DNS name or unix:// path; empty when a network gateway leads to it."),
    ] = ""
    ports: Annotated[dict[str, PortNumber], about("Port numbers by the service's port names.")] = field(
        default_factory=dict
    )
    labels: Annotated[Labels, about("Labels, for subsets and selectors.")] = field(default_factory=dict)
    network: Annotated[str, about("Network it is in.")] = ""
    locality: Annotated[str, about("Where it is: region/zone/subzone.")] = ""
    weight: Annotated[UInt32, about("Share, relative to the other endpoints; 1 when absent or 0.")] = 0
    service_account: Annotated[str, about("Service account that it runs as.")] = ""


class WorkloadEntry(Authored, frozen=True, kw_only=True):
    """An endpoint that is no pod."""

    KIND: ClassVar[Kind] = Kind(
        "networking.istio.io",
        "WorkloadEntry",
        ("v1", "v1beta1", "v1alpha3"),
        "workloadentries",
        ("we",),
    )

    spec: Annotated[WorkloadEntrySpec, about("The endpoint.")] = WorkloadEntrySpec()
