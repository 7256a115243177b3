"""Faults of gateways: names that nobody has, routers that nobody is, certificates that are over or not there."""

from __future__ import annotations

from collections.abc import Iterator

from tests.envoy.faults.clients import edge, edge_tls
from tests.envoy.faults.fault import Fault
from tests.envoy.faults.healthy import certificate, door, front
from tests.envoy.gateway_api import backend
from tests.envoy.manifests import Manifest, to, virtual_service


def faults() -> tuple[Fault, ...]:
    """The faults, each for a healthy mesh."""
    return (*_bound(), *_certificates(), *_grants())


def _site(host: str = "site.test", gateway: str = "front") -> list[Manifest]:
    return [virtual_service(host, {"route": [to("api", "v1")]}, name="site", gateways=[gateway])]


def _bound() -> Iterator[Fault]:
    yield Fault(
        "typo in a Gateway's name",
        edge(),
        symptom="404",
        guilty="VirtualService shop/site",
        said="virtual-service.gateway-unknown",
        breaks=_site(gateway="frnt"),
    )
    yield Fault(
        "a host that the Gateway does not take",
        edge(),
        symptom="404",
        guilty="VirtualService shop/site",
        said="virtual-service.gateway-host",
        breaks=_site("site.tset"),
    )
    yield Fault(
        "a Gateway that selects no router",
        edge(),
        symptom="0 .*",
        guilty="Gateway shop/front",
        said="gateway.nobody-selected",
        breaks=[front(router="egde")],
    )


def _certificates() -> Iterator[Fault]:
    yield Fault(
        "typo in a Secret's name",
        edge_tls(),
        symptom="0 .*",
        guilty="Gateway shop/front",
        said="gateway.secret-unknown",
        breaks=[front(credential="siet")],
    )
    yield Fault(
        "an expired certificate",
        edge_tls(),
        symptom="0 .*certificate has expired.*",
        guilty="Secret ingress/site",
        said="secret.expired",
        breaks=lambda: [certificate(ended=True)],
    )


def _grants() -> Iterator[Fault]:
    yield Fault(
        "a backend of another namespace without a ReferenceGrant",
        edge("door.test", port=8081),
        symptom="500",
        asked=("explain", "ingress/edge", "http://door.test:8081/"),
        guilty="HTTPRoute shop/door",
        said="decided",
        breaks=[door(backend("far", namespace="outside"))],
    )
