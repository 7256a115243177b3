"""Random edits of many objects at once that never take a route from ``client`` to ``web`` in namespace shop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

from tests.envoy.manifests import Manifest, destination_rule, security, service, subsets, to, virtual_service

Made = Callable[[Random], Manifest]
MOST_AT_ONCE: Final = 4


def histories(random: Random) -> Iterator[list[Manifest]]:
    """What there is beside the mesh itself after each edit, for ever: a few objects come, change or go at a time."""
    there: dict[str, Manifest] = {}
    while True:
        for name in random.sample(sorted(_SLOTS), random.randint(1, MOST_AT_ONCE)):
            if random.random() < 0.25:
                there.pop(name, None)
            else:
                there[name] = _SLOTS[name](random)
        yield [there[name] for name in sorted(there)]


def _routed(random: Random) -> Manifest:
    share = random.randint(0, 100)
    rest: dict[str, Any] = {"route": [to("web", "v1", 100 - share), to("web", "v2", share)]}
    if random.random() < 0.3:
        rest["timeout"] = f"{random.randint(10, 30)}s"
    if random.random() < 0.3:
        rest["retries"] = {"attempts": random.randint(0, 3), "retryOn": "503,connect-failure"}
    if random.random() < 0.3:
        rest["headers"] = {"request": {"set": {"x-edit": str(random.random())}}, "response": {"add": {"x-a": "b"}}}
    if random.random() < 0.2:
        rest["mirror"] = {"host": "catalog"}
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


def _authorized(random: Random) -> Manifest:
    kept = {"from": [{"source": {"namespaces": ["shop"]}}]}
    more = {"to": [{"operation": {"paths": [f"/{random.randint(0, 99)}"]}}]}
    return security("AuthorizationPolicy", "web", rules=[kept, *([more] if random.random() < 0.5 else [])])


def _limited(random: Random) -> Manifest:
    limits = [{"name": "all", "requests": random.randint(100_000, 900_000)}]
    spec = {"limits": limits, "share": random.choice(["PROXY", "FLEET"])}
    metadata = {"name": "limit", "namespace": "shop"}
    return {"apiVersion": "networking.plait.dev/v1alpha1", "kind": "RateLimit", "metadata": metadata, "spec": spec}


def _entry(random: Random) -> Manifest:
    spec = {
        "hosts": [f"api{random.randint(0, 3)}.example.com"],
        "ports": [{"number": random.choice([80, 443, 9200]), "name": "http", "protocol": "HTTP"}],
        "resolution": "STATIC",
        "endpoints": [{"address": f"192.0.2.{random.randint(1, 9)}"}],
    }
    metadata = {"name": "api", "namespace": "shop"}
    return {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": metadata, "spec": spec}


_SLOTS: Final[dict[str, Made]] = {
    "authorization": _authorized,
    "entry": _entry,
    "foreign": _foreign,
    "limit": _limited,
    "other": _other,
    "routed": _routed,
    "rule": _rule,
}
