"""Faults of configuration: names that lead nowhere, and rules that say something else than was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.envoy.faults.clients import grpc, http, stranger, tcp
from tests.envoy.faults.fault import Fault
from tests.envoy.manifests import Manifest, destination_rule, mesh_config, security, service, to, virtual_service

API: Final = ("explain", "shop/web", "http://api/")
ANN: Final = {"end-user": "ann"}
_DEAD: Final = {"labels": {"version": "v9"}}
PAY: Final = ("explain", "shop/web", "pay:7070", "POST", "/plait.Echo/Echo")


def faults() -> tuple[Fault, ...]:
    """The faults, each for a healthy mesh."""
    return (*_names(), *_services(), *_routes(), *_visibility(), *_refused())


def _routed(*http: Manifest) -> list[Manifest]:
    return [virtual_service("api", *http)]


def _names() -> Iterator[Fault]:
    yield Fault(
        "typo in a subset",
        http(),
        symptom="503",
        guilty="VirtualService shop/api",
        said="destination.subset-unknown",
        breaks=_routed({"route": [to("api", "v9")]}),
    )
    yield Fault(
        "subsets that no pod has",
        http(),
        symptom="503",
        asked=API,
        guilty="DestinationRule shop/api",
        said="decided",
        breaks=[destination_rule("api", subsets=[{"name": "v1", **_DEAD}, {"name": "v2", **_DEAD}])],
    )
    yield Fault(
        "half of the requests to a subset without pods",
        http(),
        symptom="503",
        guilty="DestinationRule shop/api",
        said="subset.empty",
        breaks=[
            destination_rule("api", subsets=[{"name": "v1", "labels": {"version": "v1"}}, {"name": "v2", **_DEAD}])
        ],
    )
    yield Fault(
        "typo in a destination's host",
        http(),
        symptom="50[03]",
        guilty="VirtualService shop/api",
        said="destination.host-unknown",
        breaks=_routed({"route": [to("apis")]}),
    )
    yield Fault(
        "a destination's port that the service has not",
        http(),
        symptom="503",
        asked=API,
        guilty="VirtualService shop/api",
        said="decided",
        breaks=_routed({"route": [{"destination": {"host": "api", "port": {"number": 81}}}]}),
    )


def _services() -> Iterator[Fault]:
    yield Fault(
        "a Service that selects no pod",
        http(),
        symptom="503",
        asked=API,
        guilty="Service shop/api",
        said="decided",
        breaks=[service("api", selector={"app": "apis"})],
    )
    yield Fault(
        "a targetPort where nobody listens",
        http("http://old/"),
        symptom="503",
        guilty="Service shop/old",
        said="service.target-undeclared",
        breaks=[service("old", {"name": "http", "port": 80, "targetPort": 8089})],
    )
    yield Fault(
        "an HTTP port that is named tcp",
        http(headers=ANN),
        symptom="200 api-v1",
        well="200 api-v2",
        guilty="Service shop/api",
        said="service.port-not-http",
        breaks=[service("api", {"name": "tcp", "port": 80, "targetPort": 8080})],
    )


def _routes() -> Iterator[Fault]:
    yield Fault(
        "a route behind one that takes everything",
        http(headers=ANN),
        symptom="200 api-v1",
        well="200 api-v2",
        guilty="VirtualService shop/api",
        said="route.unreachable",
        breaks=_routed(
            {"route": [to("api", "v1")]},
            {"match": [{"headers": {"end-user": {"exact": "ann"}}}], "route": [to("api", "v2")]},
        ),
    )
    yield Fault(
        "a method that no route takes",
        http(method="POST"),
        symptom="404",
        asked=(*API, "POST"),
        guilty="VirtualService shop/api",
        said="decided",
        breaks=_routed({"match": [{"method": {"exact": "GET"}}], "route": [to("api")]}),
    )
    yield Fault(
        "a redirect to itself",
        http("http://api/loop"),
        symptom="301",
        asked=("explain", "shop/web", "http://api/loop"),
        guilty="VirtualService shop/api",
        said="decided",
        breaks=_routed({"redirect": {"uri": "/loop"}}),
    )
    yield Fault(
        "an injected fault that was left in",
        http(),
        symptom="418",
        asked=API,
        guilty="VirtualService shop/api",
        said="decided",
        breaks=_routed(
            {"fault": {"abort": {"httpStatus": 418, "percentage": {"value": 100}}}, "route": [to("api")]},
        ),
    )
    yield Fault(
        "a second VirtualService for the host",
        http(),
        symptom="418",
        guilty="VirtualService shop/api",
        said="virtual-service.host-twice",
        breaks=[virtual_service("api", {"directResponse": {"status": 418}}, name="a-api")],
    )


def _visibility() -> Iterator[Fault]:
    sidecar = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "workloadSelector": {"labels": {"app": "web"}},
            "egress": [{"hosts": ["./db.shop.svc.cluster.local"]}],
            "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
        },
    }
    yield Fault(
        "a Sidecar that leaves the host out",
        http(),
        symptom="50[23]|0 .*",
        asked=API,
        guilty="Sidecar shop/web",
        said="decided",
        breaks=[sidecar],
    )
    yield Fault(
        "an unknown host under REGISTRY_ONLY",
        stranger(),
        symptom="50[23]|0 .*",
        asked=("explain", "shop/web", "http://{stranger}:8080/"),
        guilty="MeshConfig istio-system/istio",
        said="decided",
        breaks=[mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})],
    )
    hidden = service("pay", {"name": "grpc", "port": 7070})
    hidden["metadata"]["annotations"] = {"networking.istio.io/exportTo": "~"}
    yield Fault(
        "a Service that is exported to nobody",
        grpc(),
        symptom="UNAVAILABLE .*",
        asked=PAY,
        guilty="Service shop/pay",
        said="decided",
        breaks=[hidden],
    )


def _refused() -> Iterator[Fault]:
    manager = "envoy.filters.network.http_connection_manager"
    at = {
        "listener": {"filterChain": {"filter": {"name": manager, "subFilter": {"name": "envoy.filters.http.router"}}}}
    }
    lua = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": {"inline_string": "this is no Lua"},
    }
    patch = {"operation": "INSERT_BEFORE", "value": {"name": "mine", "typed_config": lua}}
    yield Fault(
        "an EnvoyFilter that Envoy refuses",
        http(),
        symptom="200 .*",
        guilty="EnvoyFilter shop/mine",
        said="envoy.refused",
        breaks=[
            {
                "apiVersion": "networking.istio.io/v1alpha3",
                "kind": "EnvoyFilter",
                "metadata": {"name": "mine", "namespace": "shop"},
                "spec": {
                    "configPatches": [
                        {"applyTo": "HTTP_FILTER", "match": {"context": "SIDECAR_OUTBOUND", **at}, "patch": patch}
                    ]
                },
            }
        ],
    )
    yield Fault(
        "an ALLOW by method, of a port where no requests are seen",
        tcp(),
        symptom="0 .*",
        guilty="AuthorizationPolicy shop/db",
        said="authorization.never-on-tcp",
        breaks=[
            security(
                "AuthorizationPolicy",
                "db",
                selector={"matchLabels": {"app": "db"}},
                action="ALLOW",
                rules=[{"to": [{"operation": {"methods": ["GET"]}}]}],
            )
        ],
    )
