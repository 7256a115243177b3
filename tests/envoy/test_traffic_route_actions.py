"""What a route does to requests and answers: rewrites, redirects, direct responses, headers, CORS, mirrors."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.envoy.manifests import (
    destination_rule,
    documents,
    namespace,
    pod,
    service,
    subsets,
    to,
    virtual_service,
)
from xds.testing.answers import likely
from xds.testing.mesh import Mesh

WEB = "http://web"


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        pod("client"),
        pod("web-v1"),
        pod("web-v2"),
        pod("copy"),
        service("web"),
        service("copy"),
        destination_rule("web", subsets=subsets("v1", "v2")),
    )


V1 = [to("web", "v1")]


async def routed(mesh: Mesh, *routes: dict[str, Any]) -> None:
    """Put these routes, for requests to ``web``, in force; those without an answer go to v1."""
    answering = {"redirect", "directResponse", "route"}
    complete = [route if answering & route.keys() else {**route, "route": V1} for route in routes]
    await mesh.apply(documents(virtual_service("web", *complete)))


REWRITES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "prefix": ({"match": [{"uri": {"prefix": "/old"}}], "rewrite": {"uri": "/new"}}, {"/old/a?b=c": "/new/a"}),
    "prefix-to-root": ({"match": [{"uri": {"prefix": "/old/"}}], "rewrite": {"uri": "/"}}, {"/old/a": "/a"}),
    "exact": ({"match": [{"uri": {"exact": "/old"}}], "rewrite": {"uri": "/new/x"}}, {"/old": "/new/x"}),
    "regex": (
        {"rewrite": {"uriRegexRewrite": {"match": "^/user/([0-9]+)/(.*)$", "rewrite": r"/\2/of/\1"}}},
        {"/user/7/cart": "/cart/of/7", "/other": "/other"},
    ),
}


@pytest.mark.parametrize("kind", REWRITES)
async def test_path_rewrites(mesh: Mesh, kind: str) -> None:
    route, wanted = REWRITES[kind]
    await routed(mesh, route)
    found = {path: (await mesh.get("client", WEB + path)).echo["path"] for path in wanted}
    assert found == wanted


async def test_rewrites_keep_the_query(mesh: Mesh) -> None:
    await routed(mesh, REWRITES["prefix"][0])
    assert (await mesh.get("client", f"{WEB}/old?b=c")).echo["query"] == "b=c"


async def test_authority_rewrite(mesh: Mesh) -> None:
    await routed(mesh, {"rewrite": {"authority": "other.example.com", "uri": "/x/"}})
    answer = await mesh.get("client", f"{WEB}/a")
    assert (answer.echo["host"], answer.echo["path"]) == ("other.example.com", "/x/a")


REDIRECTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "uri": ({"uri": "/there"}, 301, "http://web/there"),
    "uri-and-code": ({"uri": "/there", "redirectCode": 308}, 308, "http://web/there"),
    "authority": ({"authority": "other.example.com"}, 301, "http://other.example.com/old/a"),
    "scheme": ({"scheme": "https", "redirectCode": 307}, 307, "https://web/old/a"),
    "port": ({"port": 8443}, 301, "http://web:8443/old/a"),
    "usual-port": ({"scheme": "https", "port": 443}, 301, "https://web/old/a"),
    "all": (
        {"uri": "/x", "authority": "o.example.com", "scheme": "https", "port": 8443, "redirectCode": 302},
        302,
        "https://o.example.com:8443/x",
    ),
    "see-other": ({"uri": "/x", "redirectCode": 303}, 303, "http://web/x"),
    "prefix": ({"prefixRewrite": "/new"}, 301, "http://web/new/a"),
    "derived-port": ({"scheme": "https", "derivePort": "FROM_PROTOCOL_DEFAULT"}, 301, "https://web/old/a"),
}


@pytest.mark.parametrize("kind", REDIRECTS)
async def test_redirects(mesh: Mesh, kind: str) -> None:
    redirect, status, location = REDIRECTS[kind]
    await routed(mesh, {"match": [{"uri": {"prefix": "/old"}}], "redirect": redirect})
    answer = await mesh.get("client", f"{WEB}/old/a")
    assert (answer.status, answer.headers.get("location")) == (status, location)


BODIES: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({}, ""),
    "text": ({"body": {"string": "gone fishing"}}, "gone fishing"),
    "bytes": ({"body": {"bytes": base64.b64encode("grüße".encode()).decode()}}, "grüße"),
    "large": ({"body": {"string": "x" * 20_000}}, "x" * 20_000),
}


@pytest.mark.parametrize("kind", BODIES)
async def test_direct_responses(mesh: Mesh, kind: str) -> None:
    body, text = BODIES[kind]
    away = {"match": [{"uri": {"prefix": "/away"}}], "directResponse": {"status": 503, **body}}
    await routed(mesh, away, {})
    answer = await mesh.get("client", f"{WEB}/away/x")
    assert (answer.status, answer.body) == (503, text)
    assert (await mesh.get("client", f"{WEB}/here")).status == 200


async def test_header_edits_of_a_route(mesh: Mesh) -> None:
    edits = {
        "request": {"set": {"x-set": "new"}, "add": {"x-add": "more"}, "remove": ["x-gone"]},
        "response": {"set": {"x-answer": "edited"}, "add": {"x-more": "2"}, "remove": ["x-secret"]},
    }
    await routed(mesh, {"headers": edits})
    sent = {"x-set": "old", "x-add": "one", "x-gone": "1", "x-kept": "yes"}
    answer = await mesh.get("client", f"{WEB}/?headers=x-answer:plain,x-more:1,x-secret:s,x-own:o", headers=sent)
    seen = {name: answer.seen.get(name) for name in ("x-set", "x-add", "x-gone", "x-kept")}
    assert seen == {"x-set": "new", "x-add": "one, more", "x-gone": None, "x-kept": "yes"}
    got = {name: answer.headers.get(name) for name in ("x-answer", "x-more", "x-secret", "x-own")}
    assert got == {"x-answer": "edited", "x-more": "1, 2", "x-secret": None, "x-own": "o"}


async def test_header_edits_of_one_destination(mesh: Mesh) -> None:
    edits = {"request": {"set": {"x-share": "second"}}, "response": {"set": {"x-from": "v2", "x-route": "no"}}}
    shared = {
        "route": [to("web", "v1", 50), to("web", "v2", 50, headers=edits)],
        "headers": {"request": {"set": {"x-share": "all"}}, "response": {"set": {"x-route": "yes"}}},
    }
    await routed(mesh, shared)
    answers = await mesh.requests("client", WEB, 60)
    seen = {(a.echo["version"], a.seen["x-share"], a.headers.get("x-from"), a.headers["x-route"]) for a in answers}
    assert seen == {("v1", "all", None, "yes"), ("v2", "second", "v2", "no")}


async def test_header_edits_of_the_only_destination(mesh: Mesh) -> None:
    edits = {"request": {"set": {"x-a": "1"}}, "response": {"remove": ["x-b"], "set": {"x-c": "3"}}}
    await routed(mesh, {"route": [to("web", "v1", headers=edits)]})
    answer = await mesh.get("client", f"{WEB}/?headers=x-b:2")
    assert (answer.seen.get("x-a"), answer.headers.get("x-b"), answer.headers.get("x-c")) == ("1", None, "3")


async def test_setting_host_is_an_authority_rewrite(mesh: Mesh) -> None:
    await routed(mesh, {"headers": {"request": {"set": {"Host": "inner.example.com"}}}})
    assert (await mesh.get("client", WEB)).echo["host"] == "inner.example.com"


CORS: dict[str, Any] = {
    "allowOrigins": [{"exact": "https://shop.example.com"}, {"regex": r"https://.*\.partner\.com"}],
    "allowMethods": ["GET", "PUT"],
    "allowHeaders": ["x-token"],
    "exposeHeaders": ["x-total"],
    "maxAge": "10m",
    "allowCredentials": True,
}


def preflight(origin: str) -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-token"}


@pytest.mark.parametrize("origin", ["https://shop.example.com", "https://eu.partner.com"])
async def test_cors_preflight_is_answered_by_the_proxy(mesh: Mesh, origin: str) -> None:
    await routed(mesh, {"corsPolicy": CORS})
    answer = await mesh.get("client", WEB, method="OPTIONS", headers=preflight(origin))
    told = {name.removeprefix("access-control-"): value for name, value in answer.headers.items()}
    assert (answer.status, answer.body) == (200, "")
    assert told["allow-origin"] == origin
    assert (told["allow-methods"], told["allow-headers"], told["max-age"]) == ("GET,PUT", "x-token", "600")
    assert told["allow-credentials"] == "true"


async def test_cors_request(mesh: Mesh) -> None:
    await routed(mesh, {"corsPolicy": CORS})
    answer = await mesh.get("client", WEB, headers={"Origin": "https://shop.example.com"})
    assert answer.echo["version"] == "v1"
    assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"
    assert answer.headers["access-control-expose-headers"] == "x-total"
    stranger = await mesh.get("client", WEB, headers={"Origin": "https://evil.example.com"})
    assert stranger.status == 200
    assert "access-control-allow-origin" not in stranger.headers


@pytest.mark.parametrize(("unmatched", "answered_by"), [("FORWARD", "v1"), ("IGNORE", "")])
async def test_cors_preflights_of_strangers(mesh: Mesh, unmatched: str, answered_by: str) -> None:
    await routed(mesh, {"corsPolicy": {**CORS, "unmatchedPreflights": unmatched}})
    answer = await mesh.get("client", WEB, method="OPTIONS", headers=preflight("https://evil.example.com"))
    assert "access-control-allow-origin" not in answer.headers
    assert (answer.echo["version"] if answer.body else "") == answered_by


async def copies(mesh: Mesh, pod: str, path: str) -> int:
    """How many requests for the path this pod has had."""
    answer = await mesh.get(pod, f"http://127.0.0.1:8080{path}")
    return int(answer.echo["attempt"]) - 1


async def seen_copies(mesh: Mesh, path: str, wanted: int) -> None:
    """Return when the pod of ``copy`` has had so many requests for the path. Asking counts, so it asks for others."""
    before = 0

    async def all_seen() -> bool:
        nonlocal before
        count = await copies(mesh, "copy", path) - before
        before += 1
        return count >= wanted

    await mesh.until(all_seen, f"{wanted} copies of {path}")


async def test_mirror(mesh: Mesh) -> None:
    await routed(mesh, {"mirror": {"host": "copy"}})
    answers = await mesh.requests("client", f"{WEB}/mirrored", 20)
    assert {answer.echo["version"] for answer in answers} == {"v1"}
    await seen_copies(mesh, "/mirrored", 20)
    assert await copies(mesh, "web-v2", "/mirrored") == 0


async def test_mirror_of_a_share(mesh: Mesh) -> None:
    await routed(mesh, {"mirror": {"host": "copy"}, "mirrorPercentage": {"value": 30}})
    name = "cluster.outbound|80||copy.shop.svc.cluster.local;.upstream_rq_total"
    before = (await mesh.stats("client", "copy.*upstream_rq_total")).get(name, 0)
    answers = await mesh.requests("client", f"{WEB}/shared", 500, concurrency=4)
    assert {answer.status for answer in answers} == {200}
    after = (await mesh.stats("client", "copy.*upstream_rq_total"))[name]
    assert after - before in likely(500, 0.3)


async def test_several_mirrors(mesh: Mesh) -> None:
    both = [{"destination": {"host": "copy"}}, {"destination": {"host": "web", "subset": "v2"}}]
    await routed(mesh, {"mirrors": both})
    assert (await mesh.get("client", f"{WEB}/twice")).echo["version"] == "v1"
    await seen_copies(mesh, "/twice", 1)

    async def at_v2() -> bool:
        return await copies(mesh, "web-v2", "/twice") > 0

    await mesh.until(at_v2, "the copy at v2")


async def test_a_mirror_that_fails_costs_nothing(mesh: Mesh) -> None:
    await routed(mesh, {"mirror": {"host": "nowhere"}})
    assert {answer.status for answer in await mesh.requests("client", WEB, 20)} == {200}
