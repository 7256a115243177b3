"""What proxies use of what they were given on demand: their load reports, in the names that they have asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import lru_cache
from typing import Final

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.config.route.v3.route_components_pb2 import RouteAction, VirtualHost
from xds.model.on_demand import asked_by
from xds.model.proxy import Proxy
from xds.server import LoadReportSettings
from xds.sources.demands import Demands
from xds.wire.resource import Resource, ResourceSet, find
from xds.wire.type_urls import CLUSTER, VIRTUAL_HOST

_REPORTS: Final = 6
_COUNTED: Final = (Cluster.EDS, Cluster.STATIC, Cluster.STRICT_DNS)


def reports_for(expiry: timedelta) -> LoadReportSettings:
    """How often proxies tell what they use, where what they do not use expires after that time; 0 is never."""
    return LoadReportSettings(interval=expiry / _REPORTS) if expiry else LoadReportSettings()


class HostsUsed:
    """Follows load reports, and tells ``demands`` which hosts they mean. ``served`` answers what a proxy has."""

    def __init__(self, demands: Demands, served: Callable[[Proxy], ResourceSet | None]) -> None:
        self._demands = demands
        self._served = served

    def wanted(self, proxy: Proxy) -> bool:
        """Whether the proxy holds anything on demand that may expire."""
        return self._demands.expire and self._demands.any_of(asked_by(proxy))

    def counted(self, proxy: Proxy) -> None:
        """The proxy counts from now on."""
        self._demands.counted(asked_by(proxy))

    def used(self, proxy: Proxy, clusters: frozenset[str]) -> None:
        """These clusters were used, or are: so are the hosts that lead there, or where nobody counts."""
        resources = self._served(proxy)
        if resources is not None:
            self._demands.used(asked_by(proxy), tuple(_leading_to(resources, clusters)))

    def uncounted(self, proxy: Proxy) -> None:
        """The proxy counts no more."""
        self._demands.uncounted(asked_by(proxy))


def _leading_to(resources: ResourceSet, clusters: frozenset[str]) -> Iterator[str]:
    known = resources.of(CLUSTER)
    for table in resources.of(VIRTUAL_HOST):
        for name, resource in table.items():
            leads = _clusters(resource.body)
            if not leads or any(each in clusters or not _counts(find(known, each)) for each in leads):
                yield name


def _counts(cluster: Resource | None) -> bool:
    return cluster is not None and _by_locality(cluster.body)


@lru_cache(maxsize=4096)
def _by_locality(body: bytes) -> bool:
    """Whether a cluster's load is reported: Envoy does so by locality, which the hosts of some types have none of."""
    message = Cluster.FromString(body)
    return not message.HasField("cluster_type") and message.type in _COUNTED


@lru_cache(maxsize=4096)
def _clusters(body: bytes) -> frozenset[str]:
    """The clusters that a virtual host's routes name; none where one of its routes names none."""
    found: set[str] = set()
    for route in VirtualHost.FromString(body).routes:
        if not route.HasField("route"):
            continue
        names = set(_named(route.route))
        if not names:
            return frozenset()
        found |= names
    return frozenset(found)


def _named(action: RouteAction) -> Iterator[str]:
    if action.cluster:
        yield action.cluster
    yield from (each.name for each in action.weighted_clusters.clusters if each.name)
