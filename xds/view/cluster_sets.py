"""Which clusters have what: pods of each, services whose endpoints one cluster keeps to itself, endpoints' labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from xds.model.labels import Labels
from xds.model.mesh import Mesh
from xds.model.snapshot import Input, Table
from xds.view.attach import matches
from xds.view.graph import Read
from xds.view.scope import mesh

CLUSTER: Final = "topology.istio.io/cluster"
"""The label of endpoints that names their cluster, by which subsets choose."""

_CONTROL_PLANES: Final = ("istiod", "plait")


def pod_at(cluster: str, address: str) -> Input:
    """Where the pods of a cluster are found by their address; ``""`` is the own cluster."""
    return Input(Table.REMOTE_ADDRESS, (cluster, address)) if cluster else Input(Table.ADDRESS, address)


def own_cluster(read: Read) -> str:
    """What the own cluster is called."""
    return read.get(mesh).cluster


@lru_cache(maxsize=4096)  # of many endpoints with few sets of labels, one set each is kept
def with_cluster(labels: Labels, cluster: str) -> Labels:
    """The labels of an endpoint and its cluster's name among them, whatever its pod says that it is."""
    return frozenset((*(pair for pair in labels if pair[0] != CLUSTER), (CLUSTER, cluster)))


def cluster_local(read: Read, hostname: str) -> bool:
    """Whether a host is served by endpoints of its client's cluster only.

    The most precise host of the mesh's settings decides, else what holds for all that each cluster has of its own.
    Source: Istio's MeshConfig serviceSettings, and its defaults: kube-system, the API server, the control plane.
    """
    settings = read.get(mesh)
    stated = _most_precise(settings.cluster_local, hostname)
    return stated if stated is not None else bool(_most_precise(_usual(settings), hostname))


def _most_precise(settings: Iterable[tuple[str, bool]], hostname: str) -> bool | None:
    found = [(not host.startswith("*"), len(host), local) for host, local in settings if matches(host, hostname)]
    return max(found)[2] if found else None


def _usual(settings: Mesh) -> Iterator[tuple[str, bool]]:
    domain, root = settings.domain, settings.root_namespace
    yield f"*.kube-system.svc.{domain}", True
    yield f"kubernetes.default.svc.{domain}", True
    for name in _CONTROL_PLANES:
        yield f"{name}.{root}.svc.{domain}", True
