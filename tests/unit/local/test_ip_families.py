"""Which families a Service has, and that addresses and slices follow."""

from __future__ import annotations

import pytest

from tests.objects import written
from xds.kinds.service import Service, ServiceSpec
from xds.local.addresses import SERVICE_NETWORK, SERVICE_NETWORK_V6
from xds.local.cluster import addressed
from xds.local.ip_families import FAMILIES, Family, ip_families
from xds.model.refs import ObjectRef

FOUR, SIX = ("IPv4",), ("IPv6",)


@pytest.mark.parametrize(
    ("spec", "available", "expected"),
    [
        (ServiceSpec(), FAMILIES, FOUR),
        (ServiceSpec(), SIX, SIX),
        (ServiceSpec(ip_families=("IPv6",)), FAMILIES, SIX),
        (ServiceSpec(ip_families=("IPv6",)), FOUR, FOUR),
        (ServiceSpec(ip_families=("IPv6", "IPv4")), FAMILIES, ("IPv6", "IPv4")),
        (ServiceSpec(ip_family_policy="PreferDualStack"), FAMILIES, FAMILIES),
        (ServiceSpec(ip_family_policy="PreferDualStack"), FOUR, FOUR),
        (ServiceSpec(ip_family_policy="RequireDualStack", ip_families=("IPv6",)), FAMILIES, ("IPv6", "IPv4")),
        (ServiceSpec(ip_family_policy="SingleStack", cluster_ip="fd00:96::9"), FAMILIES, SIX),
        (ServiceSpec(cluster_ip="None"), FAMILIES, FOUR),
    ],
)
def test_families(spec: ServiceSpec, available: tuple[Family, ...], expected: tuple[Family, ...]) -> None:
    assert ip_families(spec, available) == expected


MANIFESTS = """
kind: Service
apiVersion: v1
metadata: {name: both, namespace: shop}
spec: {ipFamilyPolicy: RequireDualStack, clusterIP: 10.96.0.9, ports: [{port: 80}]}
---
kind: Service
apiVersion: v1
metadata: {name: six, namespace: shop}
spec: {ipFamilies: [IPv6], ports: [{port: 80}]}
---
kind: Service
apiVersion: v1
metadata: {name: none, namespace: shop}
spec: {ipFamilyPolicy: PreferDualStack, clusterIP: None, ports: [{port: 80}]}
"""


def test_addresses_are_given_for_each_family() -> None:
    found = addressed(written(MANIFESTS), SERVICE_NETWORK, SERVICE_NETWORK_V6)

    def spec(name: str) -> ServiceSpec:
        struct = found[ObjectRef("", "Service", "shop", name)]
        assert isinstance(struct, Service)
        return struct.spec

    assert spec("both").cluster_ip == "10.96.0.9"
    assert [each.startswith("fd00:96::") for each in spec("both").cluster_ips] == [False, True]
    assert [each.startswith("fd00:96::") for each in spec("six").cluster_ips] == [True]
    assert spec("six").cluster_ip == spec("six").cluster_ips[0]
    assert (spec("none").cluster_ip, spec("none").cluster_ips) == ("None", ())
    assert spec("none").ip_families == ("IPv4", "IPv6")
