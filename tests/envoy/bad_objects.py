"""Forty objects that an Envoy would refuse to take: some our decoders refuse, the rest only Envoy's rules or an Envoy.

Each is meant for itself: a host, a port or a workload's resource that others use as well, and must go on using.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

Manifest = dict[str, Any]

_TYPE: Final = "type.googleapis.com/envoy.extensions."
_HCM: Final = "envoy.filters.network.http_connection_manager"
_AT_ROUTER: Final = {"filterChain": {"filter": {"name": _HCM, "subFilter": {"name": "envoy.filters.http.router"}}}}
_INBOUND: Final = "SIDECAR_INBOUND"
_OUTBOUND: Final = "SIDECAR_OUTBOUND"
_WEB: Final = [{"destination": {"host": "web"}}]


def bad_objects() -> list[Manifest]:
    """All of them, each with a name of its own."""
    specs = [("VirtualService", spec) for spec in _virtual_services()]
    specs += [("DestinationRule", {"host": "web", "trafficPolicy": policy}) for policy in _traffic_policies()]
    specs += [("EnvoyFilter", {"configPatches": [patch]}) for patch in _patches()]
    return [_object(number, kind, spec) for number, (kind, spec) in enumerate(specs)]


def _object(number: int, kind: str, spec: Manifest) -> Manifest:
    version = "v1alpha3" if kind == "EnvoyFilter" else "v1"
    metadata = {"name": f"bad-{number:02}", "namespace": "shop"}
    if kind == "VirtualService":
        spec = {"hosts": [f"bad-{number:02}.example.com"], **spec}
    return {"apiVersion": f"networking.istio.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def _virtual_services() -> Iterator[Manifest]:
    for match in (
        {"uri": {"regex": "["}},
        {"uri": {"regex": "(?!a)b"}},
        {"headers": {"x": {"regex": "("}}},
        {"headers": {"a b": {"exact": "x"}}},
        {"queryParams": {"x": {"regex": "("}}},
    ):
        yield {"http": [{"match": [match], "route": _WEB}]}
    for action in (
        {"headers": {"request": {"set": {"x": "%REQ(Correlation-Id"}}}},
        {"headers": {"request": {"set": {"x": "%NOPE%"}}}},
        {"headers": {"request": {"set": {"x": "a" * 20_000}}}},
        {"headers": {"response": {"add": {":status": "200"}}}},
        {"timeout": "8760000h"},
        {"rewrite": {"uriRegexRewrite": {"match": "[", "rewrite": "x"}}},
        {"fault": {"abort": {"httpStatus": 100, "percentage": {"value": 50}}}},
        {"corsPolicy": {"allowOrigins": [{"regex": "["}]}},
    ):
        yield {"http": [{"route": _WEB, **action}]}
    yield {"http": [{"redirect": {"redirectCode": 200, "uri": "/x"}}]}
    yield {"http": [{"redirect": {"authority": "a\nb"}}]}
    yield {"http": [{"directResponse": {"status": 99}}]}


def _traffic_policies() -> Iterator[Manifest]:
    yield {"loadBalancer": {"consistentHash": {"httpHeaderName": "x", "maglev": {"tableSize": 5_000_113}}}}
    yield {"outlierDetection": {"baseEjectionTime": "0s", "consecutive5xxErrors": 1}}
    yield {"tls": {"mode": "SIMPLE", "sni": "a" * 300}}
    yield {"connectionPool": {"tcp": {"connectTimeout": "0s"}}}
    yield {"outlierDetection": {"maxEjectionPercent": 101, "consecutive5xxErrors": 1}}


def _patches() -> Iterator[Manifest]:
    yield from _of_clusters()
    yield from _of_routes()
    yield from _of_listeners()


def _patch(where: str, operation: str, value: Manifest, context: str, **match: Any) -> Manifest:
    change = {"operation": operation, "value": value}
    return {"applyTo": where, "match": {"context": context, **match}, "patch": change}


def _of_clusters() -> Iterator[Manifest]:
    values: list[Manifest] = [
        {"lb_policy": "CLUSTER_PROVIDED"},
        {"max_requests_per_connection": 0, "health_checks": [{"timeout": "1s", "interval": "0s"}]},
        {"dns_lookup_family": 77},
        {"circuit_breakers": {"thresholds": [{"retry_budget": {"budget_percent": {"value": 500}}}]}},
        {"connect_timeout": "-1s"},
    ]
    for value in values:
        yield _patch("CLUSTER", "MERGE", value, _OUTBOUND, cluster={"service": "web.shop.svc.cluster.local"})
    yield _patch("CLUSTER", "ADD", {"name": "mine", "type": "EDS", "connect_timeout": "1s"}, _OUTBOUND)


def _of_routes() -> Iterator[Manifest]:
    host = {"name": "web.shop.svc.cluster.local:80"}
    values: list[Manifest] = [
        {"request_headers_to_add": [{"header": {"key": "x", "value": "%REQ(x"}}]},
        {"routes": [{"match": {"safe_regex": {"regex": "["}}, "route": {"cluster": "x"}}]},
        {"retry_policy": {"retry_back_off": {"base_interval": "0s"}}},
        {"routes": [{"match": {"prefix": "/"}}]},
        {"domains": ["web", "WEB"]},
        {"rate_limits": [{"actions": []}]},
    ]
    for value in values:
        yield _patch("VIRTUAL_HOST", "MERGE", value, _OUTBOUND, routeConfiguration={"vhost": host})
    value = {"route": {"cluster": "x", "hash_policy": [{"header": {"header_name": ""}}]}}
    yield _patch("HTTP_ROUTE", "MERGE", value, _OUTBOUND, routeConfiguration={"vhost": host})


def _of_listeners() -> Iterator[Manifest]:
    for number, value in enumerate(
        (
            _filter("lua.v3.Lua", default_source_code={"inline_string": "function ("}),
            _filter("local_ratelimit.v3.LocalRateLimit", stat_prefix=""),
            _filter(
                "jwt_authn.v3.JwtAuthentication", rules=[{"match": {"prefix": "/"}, "requires": {"provider_name": "z"}}]
            ),
            _filter("fault.v3.HTTPFault", abort={"http_status": 99, "percentage": {"numerator": 1}}),
        )
    ):
        inserted = {"name": f"bad.{number}", "typed_config": value}
        yield _patch("HTTP_FILTER", "INSERT_BEFORE", inserted, _INBOUND, listener=_AT_ROUTER)
    for value in (
        {"stat_prefix": "x", "max_request_headers_kb": 100_000},
        {"stat_prefix": "x", "access_log": [{"name": "file", "typed_config": {"@type": _TYPE + "nowhere.v3.Nothing"}}]},
    ):
        manager = {"@type": _TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager", **value}
        merged = {"name": _HCM, "typed_config": manager}
        yield _patch("NETWORK_FILTER", "MERGE", merged, _INBOUND, listener={"filterChain": {"filter": {"name": _HCM}}})


def _filter(kind: str, **fields: Any) -> Manifest:
    return {"@type": f"{_TYPE}filters.http.{kind}", **fields}
