"""Groups of workloads that are no pods: what a machine that joins the mesh by itself becomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from xds.model.endpoint import NOWHERE, Locality
from xds.model.labels import NO_LABELS, Labels
from xds.model.refs import ObjectRef


def group_ref(namespace: str, name: str) -> ObjectRef:
    """The name of a WorkloadGroup."""
    return ObjectRef("networking.istio.io", "WorkloadGroup", namespace, name)


@dataclass(frozen=True, slots=True)
class Check:
    """How a workload is asked whether it is well: by HTTP, a connection, gRPC or a command, one of them.

    ``path``, ``scheme``, ``host`` and ``headers`` are of HTTP, ``service`` of gRPC; ``port`` is the workload's.
    """

    port: int = 0
    path: str = ""
    scheme: str = "HTTP"
    host: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    service: str = ""
    grpc: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """When a workload is asked, and how many answers in a row count."""

    check: Check
    delay: timedelta = timedelta(0)
    timeout: timedelta = timedelta(seconds=1)
    period: timedelta = timedelta(seconds=10)
    successes: int = 1
    failures: int = 3


@dataclass(frozen=True, slots=True)
class WorkloadGroup:
    """What each WorkloadEntry of the group begins as; ``annotations`` are those of its object."""

    ref: ObjectRef
    labels: Labels = NO_LABELS
    annotations: Labels = NO_LABELS
    ports: tuple[tuple[str, int], ...] = ()
    locality: Locality = NOWHERE
    weight: int = 1
    service_account: str = ""
    network: str = ""
    probe: Probe | None = None
    created: str = ""
