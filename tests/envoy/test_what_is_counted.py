"""How often each side counts a call, and as what, wherever it fails: beside what the client itself has seen."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from tests.envoy.manifests import Manifest, documents, namespace, pod, security, service, to, virtual_service
from tests.envoy.prometheus_text import Sample, samples
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

REQUESTS = "envoy_istio_requests_total"
HTTP = {"name": "http", "port": 80, "targetPort": 8080}
GRPC = {"name": "grpc", "port": 7070}
USUAL = {"sidecar.istio.io/statsInclusionRegexps": ""}
WEB = "web.shop.svc.cluster.local"
COUNT = 3
BAD = {"authorization": "Bearer e30.e30.e30"}
KEY = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
ISSUER = {"issuer": "https://issuer.example", "jwks": json.dumps({"keys": [{**KEY, "kid": "a", "alg": "ES256"}]})}
# The code, Envoy's flags, gRPC's status, the workload at the other end.
Counted = tuple[str, str, str, str]
Counts = Counter[tuple[str, Counted]]


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of call: what its client sees, and what its sidecar and the server's count it as; None where nothing."""

    name: str
    url: str
    seen: str
    caller: Counted
    server: Counted | None
    headers: dict[str, str] = field(default_factory=dict)


def http(name: str, path: str, caller: Counted, server: Counted | None, **headers: str) -> Case:
    return Case(name, f"http://web{path}", caller[0], caller, server, headers)


def grpc(name: str, code: str, caller: Counted, server: Counted | None, to: str = "web", **headers: str) -> Case:
    return Case(name, f"{to}:7070", code, caller, server, headers)


CASES = (
    http("fine", "/", ("200", "-", "", "web-v1"), ("200", "-", "", "web-v1")),
    http("of the application", "/?status=404", ("404", "-", "", "web-v1"), ("404", "-", "", "web-v1")),
    http("error of the application", "/?status=503", ("503", "-", "", "web-v1"), ("503", "-", "", "web-v1")),
    http("no route", "/none", ("404", "NR", "", ""), None),
    Case("no endpoint", "http://gone/", "503", ("503", "UH", "", ""), None),
    http("timeout", "/slow?delay=30s", ("504", "UT", "", "web-v1"), ("0", "DC", "", "web-v1")),
    http("refused", "/refused", ("403", "-", "", "web-v1"), ("403", "-", "", "web-v1")),
    http("bad token", "/", ("401", "-", "", "web-v1"), ("401", "-", "", "web-v1"), **BAD),
    http("abort", "/abort", ("418", "FI", "", ""), None),
    http("redirect", "/redirect", ("301", "-", "", ""), None),
    http("direct response", "/direct", ("204", "-", "", ""), None),
    grpc("grpc fine", "OK", ("200", "-", "0", "web-v1"), ("200", "-", "0", "web-v1")),
    grpc(
        "grpc of the application",
        "NOT_FOUND",
        ("200", "-", "5", "web-v1"),
        ("200", "-", "5", "web-v1"),
        **{"x-echo-status": "5"},
    ),
    grpc("grpc no endpoint", "UNAVAILABLE", ("200", "UH", "14", ""), None, to="gone"),
    grpc(
        "grpc timeout",
        "UNAVAILABLE",
        ("200", "UT", "14", "web-v1"),
        ("0", "DR", "", "web-v1"),  # a stream is reset, where HTTP/1.1's connection is closed (DC)
        **{"x-slow": "yes", "x-echo-delay": "30s"},
    ),
    grpc(
        "grpc refused",
        "PERMISSION_DENIED",
        ("200", "-", "7", "web-v1"),
        ("200", "-", "7", "web-v1"),
        **{"x-refused": "yes"},
    ),
    grpc("grpc bad token", "UNAUTHENTICATED", ("200", "-", "16", "web-v1"), ("200", "-", "16", "web-v1"), **BAD),
    grpc("grpc abort", "ABORTED", ("200", "FI", "10", ""), None, **{"x-abort": "yes"}),
)


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    refused = [
        {"to": [{"operation": {"paths": ["/refused"]}}]},
        {"when": [{"key": "request.headers[x-refused]", "values": ["yes"]}]},
    ]
    return documents(
        namespace("shop"),
        pod("client", account="client", annotations=USUAL),
        pod("web-v1", account="web", ports="http:8080 grpc:7070", annotations=USUAL),
        service("web", HTTP, GRPC),
        service("gone", HTTP, GRPC),
        security("AuthorizationPolicy", "refused", action="DENY", rules=refused),
        security("RequestAuthentication", "users", jwtRules=[ISSUER]),
        virtual_service("web", *_routes()),
    )


def _routes() -> list[Manifest]:
    web: dict[str, Any] = {"route": [to("web")]}
    all_of_them = {"percentage": {"value": 100}}

    def at(path: str, **what: Any) -> Manifest:
        return {"match": [{"uri": {"prefix": path}, "port": 80}], **what}

    def said(name: str, **what: Any) -> Manifest:
        return {"match": [{"headers": {name: {"exact": "yes"}}, "port": 7070}], **what}

    return [
        at("/slow", timeout="1s", **web),
        at("/abort", fault={"abort": {"httpStatus": 418, **all_of_them}}, **web),
        at("/redirect", redirect={"uri": "/else"}),
        at("/direct", directResponse={"status": 204}),
        {"match": [{"uri": {"regex": "/(refused)?(\\?.*)?"}, "port": 80}], "retries": {"attempts": 0}, **web},
        said("x-slow", timeout="1s", **web),
        said("x-abort", fault={"abort": {"grpcStatus": "ABORTED", **all_of_them}}, **web),
        {"match": [{"port": 7070}], "retries": {"attempts": 0}, **web},
    ]


async def call(mesh: Mesh, case: Case) -> list[str]:
    """What the client sees of so many calls."""
    if case.url.startswith("http"):
        answers = await mesh.requests("client", case.url, COUNT, headers=case.headers)
        return [str(answer.status) for answer in answers]
    return [reply.code for reply in await mesh.grpc("client", case.url, COUNT, headers=case.headers)]


async def counts(mesh: Mesh) -> Counts:
    """What both sidecars have counted, by reporter."""
    found: list[Sample] = [*await samples(mesh, "client"), *await samples(mesh, "web-v1")]
    counted: Counts = Counter()
    for each in found:
        if each.name == REQUESTS:
            counted[each.labels["reporter"], _counted(each)] += int(each.value)
    return counted


def _counted(of: Sample) -> Counted:
    has = of.labels
    return (
        has["response_code"],
        has["response_flags"],
        has.get("grpc_response_status", ""),
        has.get("destination_workload", ""),
    )


async def grows(mesh: Mesh, before: Counts, wanted: Counts) -> None:
    """Both sidecars count this and nothing else. Errors: AssertionError."""
    grown: Counts = Counter()

    async def enough() -> bool:
        grown.clear()
        grown.update(await counts(mesh) - before)
        return grown.total() >= wanted.total()

    with contextlib.suppress(TimeoutError):  # what was counted instead says more
        await mesh.until(enough, "all is counted")
    assert grown == wanted


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
async def test_a_call_is_counted_once_by_who_saw_it(mesh: Mesh, case: Case) -> None:
    before = await counts(mesh)
    assert await call(mesh, case) == [case.seen] * COUNT
    wanted = Counter({("source", case.caller): COUNT})
    if case.server is not None:
        wanted["destination", case.server] = COUNT
    await grows(mesh, before, wanted)


async def test_what_a_limit_refuses_is_counted_by_both(mesh: Mesh) -> None:
    limit = {"name": "few", "match": [{"uri": {"exact": "/"}}], "requests": 1, "period": "1h"}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "limits": [limit]}
    metadata = {"name": "few", "namespace": "shop"}
    kind = {"apiVersion": "networking.plait.dev/v1alpha1", "kind": "RateLimit"}
    await mesh.apply(documents({**kind, "metadata": metadata, "spec": spec}))
    before = await counts(mesh)
    answers = await mesh.requests("client", "http://web/", 1 + COUNT, concurrency=1)
    assert [answer.status for answer in answers] == [200] + [429] * COUNT
    fine, refused, limited = (("200", "-"), ("429", "-"), ("429", "RL"))
    wanted = {("source", fine): 1, ("source", refused): COUNT}
    wanted |= {("destination", fine): 1, ("destination", limited): COUNT}
    whole = {(reporter, (*of, "", "web-v1")): count for (reporter, of), count in wanted.items()}
    await grows(mesh, before, Counter(whole))
