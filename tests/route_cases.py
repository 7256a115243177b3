"""Random VirtualServices, DestinationRules and Sidecars, and requests in a world so small that they meet.

The world: ``web`` (v1, v2) and ``api`` (v1) of namespace shop, on ports 80 and 8081; ``shop/client`` and
``other/visitor`` (tier gold) call them, by their names or by hosts that only VirtualServices know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.envoy.manifests import Manifest, destination_rule, subsets, to, virtual_service

CLIENTS: Final = ("shop/client", "other/visitor")
HOSTS: Final = ("web.shop", "api.shop", "web.shop.svc.cluster.local", "front.example.com", "a.example.com")
_PATHS: Final = ("/", "/a", "/a/b", "/ab", "/A", "/b/../a", "/c%2Fd", "/a?x=1", "/a?x=1&y=2", "/b?x=2")
_HEADERS: Final = (("x-user", ("ann", "anna", "bob")), ("x-tier", ("gold", "silver")))
_METHODS: Final = ("GET", "POST", "PUT")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: who asks for what, connected to ``server`` (a service of shop) on ``port``."""

    client: str
    server: str
    port: int
    host: str
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)


def requests(random: Random, count: int) -> Iterator[Asked]:
    """So many requests."""
    for _ in range(count):
        headers = {name: random.choice(values) for name, values in _HEADERS if random.random() < 0.5}
        yield Asked(
            random.choice(CLIENTS),
            random.choice(("web", "api")),
            random.choice((80, 80, 8081)),
            random.choice(HOSTS),
            random.choice(_METHODS),
            random.choice(_PATHS),
            headers,
        )


def objects(random: Random) -> Iterator[Manifest]:
    """Routes of all hosts, the rule for web, and maybe Sidecars."""
    defined = random.choice([("v1", "v2"), ("v1",), ("v1", "v2", "v3")])
    spec: dict[str, Any] = {"trafficPolicy": {"tls": {"mode": "DISABLE"}}} if random.random() < 0.2 else {}
    yield destination_rule("web", subsets=subsets(*defined), **spec)
    for number, host in enumerate(("web", "api", "front.example.com", "*.example.com")):
        if random.random() < 0.75:
            yield virtual_service(host, *_routes(random), name=f"r{number}", **_export(random))
    if random.random() < 0.25:
        delegate = virtual_service("x", *_routes(random), name="inner")
        del delegate["spec"]["hosts"]
        yield delegate
        outer = {"match": [{"uri": {"prefix": "/a"}}], "delegate": {"name": "inner"}}
        yield virtual_service("late.example.com", outer, name="outer")
    for namespace in ("shop", "other"):
        if random.random() < 0.3:
            yield _sidecar(random, namespace)


def _export(random: Random) -> dict[str, Any]:
    return {"exportTo": [random.choice([".", "*", "other"])]} if random.random() < 0.3 else {}


def _sidecar(random: Random, namespace: str) -> Manifest:
    hosts = random.choice([["shop/*"], ["*/*"], ["shop/api.shop.svc.cluster.local"], ["./*"]])
    spec: dict[str, Any] = {"egress": [{"hosts": hosts}], "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}
    metadata = {"name": "default", "namespace": namespace}
    return {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": metadata, "spec": spec}


def _routes(random: Random) -> list[Manifest]:
    return [_route(random, last=number == 2) for number in range(random.randint(1, 3))]


def _route(random: Random, *, last: bool) -> Manifest:
    matches = [] if last or random.random() < 0.1 else [_match(random) for _ in range(random.randint(1, 2))]
    made: Manifest = {"match": matches} if matches else {}
    kind = random.random()
    if kind < 0.1:
        return {**made, "directResponse": {"status": random.choice([418, 404, 503])}}
    if kind < 0.2:
        return {**made, "redirect": {"uri": "/elsewhere", "redirectCode": random.choice([301, 302, 307])}}
    made["route"] = _destinations(random)
    if random.random() < 0.2:
        made["rewrite"] = {"uri": random.choice(["/new", "/"])}
    if random.random() < 0.1:
        made["fault"] = {"abort": {"httpStatus": 429, "percentage": {"value": random.choice([0, 100])}}}
    if random.random() < 0.2:
        made["headers"] = {"request": {"set": {"x-user": "set"}, "remove": ["x-tier"]}}
    return made


def _destinations(random: Random) -> list[Manifest]:
    choices = [
        [to("web.shop.svc.cluster.local", "v1")],
        [to("web.shop.svc.cluster.local", "v2")],
        [to("web.shop.svc.cluster.local", "v3")],
        [to("web.shop.svc.cluster.local", "v1", 50), to("web.shop.svc.cluster.local", "v2", 50)],
        [to("web.shop.svc.cluster.local", "v1", 100), to("api.shop.svc.cluster.local", "", 0)],
        [to("api.shop.svc.cluster.local")],
        [to("nowhere.shop.svc.cluster.local")],
    ]
    return random.choice(choices)


def _match(random: Random) -> Manifest:
    made: Manifest = {}
    if random.random() < 0.6:
        made["uri"] = random.choice(
            [{"exact": "/a"}, {"prefix": "/a"}, {"prefix": "/"}, {"regex": "/[ab].*"}, {"exact": "/A"}]
        )
        if random.random() < 0.3:
            made["ignoreUriCase"] = True
    if random.random() < 0.3:
        made["headers"] = {"x-user": random.choice([{"exact": "ann"}, {"prefix": "ann"}, {"regex": "a.*a"}, {}])}
    if random.random() < 0.2:
        made["withoutHeaders"] = {"x-tier": random.choice([{"exact": "gold"}, {}])}
    if random.random() < 0.2:
        made["queryParams"] = {"x": random.choice([{"exact": "1"}, {"prefix": ""}, {"regex": "[12]"}])}
    if random.random() < 0.2:
        made["method"] = {"exact": random.choice(_METHODS)}
    return made | _source(random)


def _source(random: Random) -> Manifest:
    choices: list[Manifest] = [{"port": 8081}, {"sourceLabels": {"tier": "gold"}}, {"sourceNamespace": "shop"}]
    return random.choice(choices) if random.random() < 0.3 else {}
