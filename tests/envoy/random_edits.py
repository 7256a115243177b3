"""Random edits of many objects at once that never take away a route of ``test_random_edits``.

``client`` of namespace ``shop`` asks ``web`` and ``catalog``, and who is outside asks the routers ``edge`` and ``api``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

from tests.envoy.gateway_api import backend, gateway_class, listener, made, mesh_route
from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    gateway,
    namespace,
    pod,
    router,
    security,
    server,
    service,
    service_entry,
    subsets,
    to,
    virtual_service,
)

Made = Callable[[Random], Manifest]
MOST_AT_ONCE: Final = 4
SITE: Final = "site.test"
MACHINE: Final = "MACHINE"
"""Stands for the address of the pod that is a machine."""
_SERVERS: Final = ({"app": "web"}, {"app": "catalog"}, {"app": "machine"})
_PROXIES: Final = ({"app": "client"}, *_SERVERS)


def mesh_itself() -> list[Manifest]:
    """What is there all the time: who calls, who is called, and the routers."""
    return [
        namespace("shop"),
        namespace("outside", inject=False),
        pod("browser", namespace="outside"),
        pod("client"),
        pod("web-v1"),
        pod("web-v2"),
        pod("machine"),
        pod("catalog-v1"),
        service("web"),
        service("catalog"),
        service("machine"),
        destination_rule("web", subsets=subsets("v1", "v2")),
        *router("edge", "shop", {"name": "http", "port": 80, "targetPort": 8080}),
        gateway_class(),
        _api_router(),
    ]


def _api_router() -> Manifest:
    labels = {"gateway.networking.k8s.io/gateway-name": "api"}
    found = pod("api", labels=labels, ports="http:80", annotations={"inject.istio.io/templates": "gateway"})
    found["spec"]["containers"] = [{"name": "istio-proxy", "image": "auto"}]
    return found


def histories(random: Random) -> Iterator[list[Manifest]]:
    """What there is beside the mesh itself after each edit, for ever: a few objects come, change or go at a time.

    What routers are told by is always there, and only changes.
    """
    there = {name: make(random) for name, make in _ALWAYS.items()}
    while True:
        for name in random.sample(sorted(_SLOTS), random.randint(1, min(MOST_AT_ONCE, len(_SLOTS)))):
            if name not in _ALWAYS and random.random() < 0.25:
                there.pop(name, None)
            else:
                there[name] = _SLOTS[name](random)
        yield [there[name] for name in sorted(there)]


def _maybe(random: Random, share: float, **fields: Any) -> dict[str, Any]:
    return fields if random.random() < share else {}


# -- traffic to services


def _routed(random: Random) -> Manifest:
    share = random.randint(0, 100)
    rest: dict[str, Any] = {"route": [to("web", "v1", 100 - share), to("web", "v2", share)]}
    rest |= _maybe(random, 0.3, timeout=f"{random.randint(10, 30)}s")
    rest |= _maybe(random, 0.3, retries={"attempts": random.randint(0, 3), "retryOn": "503,connect-failure"})
    headers = {"request": {"set": {"x-edit": str(random.random())}}, "response": {"add": {"x-a": "b"}}}
    rest |= _maybe(random, 0.3, headers=headers)
    rest |= _maybe(random, 0.2, mirror={"host": "catalog"})
    matched = {"match": [{"headers": {"x-nobody": {"exact": str(random.random())}}}], "directResponse": {"status": 410}}
    return virtual_service("web", *([matched] if random.random() < 0.5 else []), rest)


def _rule(random: Random) -> Manifest:
    policies: list[dict[str, Any]] = [
        {"loadBalancer": {"simple": random.choice(["RANDOM", "ROUND_ROBIN", "LEAST_REQUEST"])}},
        {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}},
        {"connectionPool": {"http": {"http1MaxPendingRequests": random.randint(500, 1000)}}},
        {"outlierDetection": {"consecutive5xxErrors": random.randint(3, 9)}},
        {"tls": {"mode": "ISTIO_MUTUAL"}},
    ]
    return destination_rule("web", name="edited", subsets=subsets("v3"), trafficPolicy=random.choice(policies))


def _other(random: Random) -> Manifest:
    port = {"name": random.choice(["http", "tcp", "grpc", "x"]), "port": random.randint(9100, 9110), "targetPort": 8080}
    return service("other", port, selector={"app": random.choice(["web", "catalog", "nobody"])})


def _foreign(random: Random) -> Manifest:
    return virtual_service("foreign", {"route": [to("catalog")]}, hosts=[f"a{random.randint(0, 5)}.example.com"])


def _mesh_route(random: Random) -> Manifest:
    header = {"set": [{"name": "x-edit", "value": str(random.random())}]}
    kinds = [
        [],
        [{"type": "RequestHeaderModifier", "requestHeaderModifier": header}],
        [{"type": "ResponseHeaderModifier", "responseHeaderModifier": header}],
        [{"type": "RequestMirror", "requestMirror": {"backendRef": backend("web")}}],
    ]
    share = random.randint(0, 10)
    rule = {"backendRefs": [backend("catalog", share), backend("web", 10 - share)], "filters": random.choice(kinds)}
    rule |= _maybe(random, 0.3, timeouts={"request": f"{random.randint(10, 30)}s"})
    narrower = {"matches": [{"headers": [{"name": "x-nobody", "value": str(random.random())}]}]}
    return mesh_route("catalog", *([{**rule, **narrower}] if random.random() < 0.5 else []), rule)


# -- who sees what, and what is no pod


def _sidecar(random: Random) -> Manifest:
    spec: dict[str, Any] = {"egress": [{"hosts": random.choice([["./*"], ["*/*"], ["./*", "ingress/*"]])}]}
    spec |= _maybe(random, 0.5, outboundTrafficPolicy={"mode": random.choice(["REGISTRY_ONLY", "ALLOW_ANY"])})
    spec |= _maybe(random, 0.7, workloadSelector={"labels": random.choice(_PROXIES)})
    return _networking("Sidecar", "edited", spec)


def _entry(random: Random) -> Manifest:
    ports = [{"number": random.choice([80, 443, 9200]), "name": "http", "protocol": "HTTP"}]
    where = [{"address": f"192.0.2.{random.randint(1, 9)}"}]
    return service_entry(
        "api", hosts=[f"api{random.randint(0, 3)}.example.com"], ports=ports, resolution="STATIC", endpoints=where
    )


def _selecting_entry(random: Random) -> Manifest:
    ports = [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}]
    selected = {"labels": {"app": random.choice(["web", "catalog", "nobody"])}}
    return service_entry(
        "chosen",
        hosts=[f"chosen{random.randint(0, 1)}.example.com"],
        ports=ports,
        resolution="STATIC",
        workloadSelector=selected,
        location="MESH_INTERNAL",
    )


def _machine(random: Random) -> Manifest:
    labels = {"app": "web", "version": random.choice(["v1", "v2", "v3"]), "security.istio.io/tlsMode": "istio"}
    spec: dict[str, Any] = {"address": MACHINE, "labels": labels, "weight": random.randint(1, 3)}
    found = _networking("WorkloadEntry", "machine", spec)
    found["metadata"]["labels"] = labels
    return found


# -- routers


def _gateway(random: Random) -> Manifest:
    hosts = random.sample([f"{name}.test" for name in "abcdef"], random.randint(0, 3))
    other = server(random.choice([81, 82, 80]), "HTTP", "other.test", name="other")
    return gateway("front", server(80, "HTTP", SITE, *hosts), *([other] if random.random() < 0.5 else []))


def _second_gateway(random: Random) -> Manifest:
    return gateway("second", server(random.choice([80, 83]), "HTTP", f"second{random.randint(0, 3)}.test"))


def _bound(random: Random) -> Manifest:
    share = random.randint(0, 100)
    rest: dict[str, Any] = {"route": [to("web", "v1", 100 - share), to("web", "v2", share)]}
    rest |= _maybe(random, 0.3, rewrite={"uri": f"/{random.randint(0, 9)}"})
    rest |= _maybe(random, 0.3, corsPolicy={"allowOrigins": [{"exact": f"https://{random.randint(0, 9)}.test"}]})
    matched = {"match": [{"uri": {"prefix": f"/{random.randint(0, 9)}"}}], "redirect": {"uri": "/"}}
    hosts = [SITE, *(["a.test"] if random.random() < 0.5 else [])]
    wanted = [matched, rest] if random.random() < 0.5 else [rest]
    return virtual_service("site", *wanted, hosts=hosts, gateways=["front"])


def _api_gateway(random: Random) -> Manifest:
    names = random.sample("abcdef", random.randint(0, 3))
    more = [listener(random.choice([8080, 8081]), name, hostname=f"{name}.other.test") for name in names]
    return made("Gateway", "api", gatewayClassName="plait", listeners=[listener(8080), *more])


def _api_route(random: Random) -> Manifest:
    share = random.randint(0, 10)
    rule = {"backendRefs": [backend("catalog", share), backend("web", 10 - share)]}
    narrower = {"matches": [{"path": {"type": "PathPrefix", "value": f"/{random.randint(0, 9)}"}}], **rule}
    hosts = random.choice([[SITE], [SITE, "more.test"], ["*.test"]])
    return made("HTTPRoute", "site", parentRefs=[{"name": "api"}], hostnames=hosts, rules=[narrower, rule])


# -- policies and patches


def _authorized(random: Random) -> Manifest:
    kept = {"from": [{"source": {"namespaces": ["shop"]}}]}
    more = {"to": [{"operation": {"paths": [f"/{random.randint(0, 99)}"]}}]}
    rules = [kept, *([more] if random.random() < 0.5 else [])]
    return security("AuthorizationPolicy", "edited", selector={"matchLabels": random.choice(_SERVERS)}, rules=rules)


def _limited(random: Random) -> Manifest:
    limits = [{"name": "all", "requests": random.randint(100_000, 900_000)}]
    spec = {"limits": limits, "share": random.choice(["PROXY", "FLEET"])}
    metadata = {"name": "limit", "namespace": "shop"}
    return {"apiVersion": "networking.plait.dev/v1alpha1", "kind": "RateLimit", "metadata": metadata, "spec": spec}


def _patched(random: Random) -> Manifest:
    said = {"header": {"key": "x-patched", "value": str(random.random())}}
    added = {"operation": "MERGE", "value": {"response_headers_to_add": [said]}}
    buffers = {"operation": "MERGE", "value": {"per_connection_buffer_limit_bytes": random.randint(100_000, 900_000)}}
    where = {"context": random.choice(["SIDECAR_OUTBOUND", "SIDECAR_INBOUND", "ANY"])}
    patches = [
        {"applyTo": "VIRTUAL_HOST", "match": where, "patch": added},
        {"applyTo": "HTTP_ROUTE", "match": where, "patch": added},
        {"applyTo": "CLUSTER", "match": where, "patch": buffers},
    ]
    chosen = random.sample(patches, random.randint(1, 3))
    spec = {"configPatches": chosen, **_maybe(random, 0.7, workloadSelector={"labels": random.choice(_PROXIES)})}
    return _networking("EnvoyFilter", "edited", spec, "v1alpha3")


def _networking(kind: str, name: str, spec: Manifest, version: str = "v1") -> Manifest:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": f"networking.istio.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


_ALWAYS: Final[dict[str, Made]] = {
    "api-gateway": _api_gateway,
    "api-route": _api_route,
    "bound": _bound,
    "gateway": _gateway,
}
_SLOTS: Final[dict[str, Made]] = {
    **_ALWAYS,
    "authorization": _authorized,
    "entry": _entry,
    "foreign": _foreign,
    "limit": _limited,
    "machine": _machine,
    "mesh-route": _mesh_route,
    "other": _other,
    "patched": _patched,
    "routed": _routed,
    "rule": _rule,
    "second-gateway": _second_gateway,
    "selecting-entry": _selecting_entry,
    "sidecar": _sidecar,
}
