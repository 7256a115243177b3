"""Which requests go where: default routing, every kind of match, weights, subsets, delegates, callers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.envoy.manifests import (
    HTTP,
    destination_rule,
    documents,
    namespace,
    pod,
    service,
    subsets,
    to,
    virtual_service,
)
from xds.testing.answers import likely, shares
from xds.testing.mesh import Mesh

WEB = "http://web"
OTHER_PORT = {"name": "http-other", "port": 8081, "targetPort": 8080}


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("other"),
        pod("client"),
        pod("visitor", namespace="other", labels={"tier": "gold"}),
        pod("web-v1"),
        pod("web-v2"),
        service("web", HTTP, OTHER_PORT),
        destination_rule("web", subsets=subsets("v1", "v2")),
    )


def where(*matches: dict[str, Any]) -> str:
    """A VirtualService: what matches goes to v2, all else to v1."""
    return documents(virtual_service("web", {"match": list(matches), "route": [to("web", "v2")]}, V1))


V1 = {"route": [to("web", "v1")]}


async def version(mesh: Mesh, path: str = "/", *, frm: str = "client", **how: Any) -> str:
    """The version that answers; a path with a scheme is a whole URL."""
    answer = await mesh.get(frm, path if "://" in path else WEB + path, **how)
    assert answer.status == 200, answer
    return str(answer.echo["version"])


async def test_requests_spread_over_all_pods(mesh: Mesh) -> None:
    counted = shares(await mesh.requests("client", WEB, 400, concurrency=2))
    assert counted["v1"] in likely(400, 0.5)
    assert counted.total() == 400


@pytest.mark.parametrize("host", ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "{ip}"])
async def test_every_name_of_a_service(mesh: Mesh, host: str) -> None:
    if host == "{ip}":
        found = await mesh.local.exec(mesh.pod("client"), ["getent", "ahostsv4", "web"])
        host = found.stdout.split()[0]
    await mesh.apply(documents(virtual_service("web", {"route": [to("web", "v2")]})))
    assert await version(mesh, f"http://{host}/") == "v2"


async def test_other_namespaces_ask_by_a_longer_name(mesh: Mesh) -> None:
    assert await version(mesh, "http://web.shop/", frm="visitor") in {"v1", "v2"}
    assert "gaierror" in (await mesh.get("visitor", "http://web/")).error


PATHS: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "exact": ({"uri": {"exact": "/a"}}, ["/a", "/a?x=1"], ["/a/", "/ab", "/A"]),
    "prefix": ({"uri": {"prefix": "/a"}}, ["/a", "/a/b", "/ab"], ["/b", "/A", "/"]),
    "regex": ({"uri": {"regex": "/a[0-9]+/.*"}}, ["/a1/", "/a12/b?c"], ["/a/", "/a1", "/x/a1/"]),
    "exact-any-case": ({"uri": {"exact": "/a"}, "ignoreUriCase": True}, ["/a", "/A"], ["/Ab"]),
    "prefix-any-case": ({"uri": {"prefix": "/aB"}, "ignoreUriCase": True}, ["/Abc", "/ab"], ["/b"]),
    "query-exact": ({"queryParams": {"q": {"exact": "1"}}}, ["/?q=1", "/?a=2&q=1"], ["/", "/?q=12", "/?Q=1"]),
    "query-regex": ({"queryParams": {"q": {"regex": "[0-9]+"}}}, ["/?q=1", "/?q=22"], ["/?q=a", "/?q="]),
    "query-prefix": ({"queryParams": {"q": {"prefix": "ab"}}}, ["/?q=abc", "/?q=ab"], ["/?q=a", "/"]),
    "port": ({"port": 8081}, ["http://web:8081/"], ["/"]),
    "authority": ({"authority": {"exact": "web.shop"}}, ["http://web.shop/"], ["/"]),
    "authority-prefix": ({"authority": {"prefix": "web.s"}}, ["http://web.shop.svc/"], ["/"]),
    "scheme": ({"scheme": {"exact": "http"}}, ["/"], []),
    "other-scheme": ({"scheme": {"exact": "https"}}, [], ["/"]),
    "own-gateway": ({"gateways": ["mesh"]}, ["/"], []),
    "other-gateway": ({"gateways": ["front"]}, [], ["/"]),
    "both": ({"uri": {"prefix": "/a"}, "queryParams": {"q": {"exact": "1"}}}, ["/a?q=1"], ["/a", "/?q=1"]),
}


@pytest.mark.parametrize("kind", PATHS)
async def test_match_by_url(mesh: Mesh, kind: str) -> None:
    match, hits, misses = PATHS[kind]
    await mesh.apply(where(match))
    assert [await version(mesh, path) for path in hits] == ["v2"] * len(hits)
    assert [await version(mesh, path) for path in misses] == ["v1"] * len(misses)


HEADERS: dict[str, tuple[dict[str, Any], list[dict[str, str]], list[dict[str, str]]]] = {
    "exact": ({"headers": {"x-user": {"exact": "ann"}}}, [{"x-user": "ann"}, {"X-User": "ann"}], [{"x-user": "anna"}]),
    "prefix": ({"headers": {"x-user": {"prefix": "an"}}}, [{"x-user": "anna"}], [{"x-user": "jan"}, {}]),
    "regex": ({"headers": {"x-user": {"regex": "a.*"}}}, [{"x-user": "ann"}], [{"x-user": "jan"}, {}]),
    "present": ({"headers": {"x-user": {}}}, [{"x-user": "ann"}, {"x-user": ""}], [{}, {"x-other": "1"}]),
    "without": ({"withoutHeaders": {"x-user": {"exact": "ann"}}}, [{}, {"x-user": "jan"}], [{"x-user": "ann"}]),
    "without-any": ({"withoutHeaders": {"x-user": {}}}, [{}], [{"x-user": "ann"}]),
    "two": ({"headers": {"x-a": {"exact": "1"}, "x-b": {"exact": "2"}}}, [{"x-a": "1", "x-b": "2"}], [{"x-a": "1"}]),
}


@pytest.mark.parametrize("kind", HEADERS)
async def test_match_by_headers(mesh: Mesh, kind: str) -> None:
    match, hits, misses = HEADERS[kind]
    await mesh.apply(where(match))
    assert [await version(mesh, headers=headers) for headers in hits] == ["v2"] * len(hits)
    assert [await version(mesh, headers=headers) for headers in misses] == ["v1"] * len(misses)


async def test_match_by_method(mesh: Mesh) -> None:
    await mesh.apply(where({"method": {"exact": "POST"}}, {"method": {"regex": "P.T"}}))
    found = {method: await version(mesh, method=method) for method in ("GET", "POST", "PUT", "PATCH")}
    assert found == {"GET": "v1", "POST": "v2", "PUT": "v2", "PATCH": "v1"}


@pytest.mark.parametrize(
    "match", [{"sourceLabels": {"tier": "gold"}}, {"sourceNamespace": "other"}], ids=["labels", "namespace"]
)
async def test_match_by_caller(mesh: Mesh, match: dict[str, Any]) -> None:
    await mesh.apply(where(match))
    assert await version(mesh, frm="client") == "v1"
    assert await version(mesh, "http://web.shop/", frm="visitor") == "v2"


async def test_the_first_match_counts_and_none_is_404(mesh: Mesh) -> None:
    first = {"match": [{"uri": {"prefix": "/a/b"}}, {"uri": {"exact": "/c"}}], "route": [to("web", "v2")]}
    second = {"match": [{"uri": {"prefix": "/a"}}], "route": [to("web", "v1")]}
    await mesh.apply(documents(virtual_service("web", first, second)))
    assert [await version(mesh, path) for path in ("/a/b/c", "/c", "/a", "/a/c")] == ["v2", "v2", "v1", "v1"]
    assert (await mesh.get("client", f"{WEB}/d")).status == 404


@pytest.mark.parametrize("weights", [(90, 10), (1, 1), (100, 0), (0, 7)], ids=str)
async def test_weights(mesh: Mesh, weights: tuple[int, int]) -> None:
    shared = {"route": [to("web", "v1", weights[0]), to("web", "v2", weights[1])]}
    await mesh.apply(documents(virtual_service("web", shared)))
    counted = shares(await mesh.requests("client", WEB, 1000, concurrency=4))
    assert counted["v2"] in likely(1000, weights[1] / sum(weights))
    assert counted.total() == 1000


async def test_unknown_destinations_harm_their_route_only(mesh: Mesh) -> None:
    lost = {"match": [{"uri": {"prefix": "/lost"}}], "route": [to("nowhere")]}
    no_subset = {"match": [{"uri": {"prefix": "/v9"}}], "route": [to("web", "v9")]}
    await mesh.apply(documents(virtual_service("web", lost, no_subset, V1)))
    assert [(await mesh.get("client", WEB + path)).status for path in ("/lost", "/v9", "/")] == [503, 503, 200]


async def test_a_delegate_takes_over(mesh: Mesh) -> None:
    root = virtual_service(
        "web",
        {"match": [{"uri": {"prefix": "/d"}}], "delegate": {"name": "part", "namespace": "other"}, "timeout": "5s"},
        V1,
    )
    part = virtual_service(
        "",
        {"match": [{"uri": {"prefix": "/d/two"}}], "route": [to("web.shop.svc.cluster.local", "v2")]},
        {"route": [to("web.shop.svc.cluster.local", "v1")], "headers": {"request": {"set": {"x-part": "yes"}}}},
        name="part",
        namespace="other",
    )
    del part["spec"]["hosts"]
    await mesh.apply(documents(root, part))
    assert await version(mesh, "/d/two/x") == "v2"
    rest = await mesh.get("client", f"{WEB}/d/three")
    assert (rest.echo["version"], rest.seen.get("x-part")) == ("v1", "yes")
    above = await mesh.get("client", f"{WEB}/elsewhere")
    assert (above.echo["version"], above.seen.get("x-part")) == ("v1", None)


async def test_rules_that_are_not_exported_do_not_hold_elsewhere(mesh: Mesh) -> None:
    private = virtual_service("web", {"route": [to("web", "v2")]}, exportTo=["."])
    await mesh.apply(documents(private))
    assert shares(await mesh.requests("client", WEB, 40)) == {"v2": 40}
    counted = shares(await mesh.requests("visitor", "http://web.shop", 400, concurrency=2))
    assert counted["v1"] in likely(400, 0.5)


async def test_a_callers_own_rule_wins_over_a_public_one(mesh: Mesh) -> None:
    fqdn = "web.shop.svc.cluster.local"
    public = virtual_service("web", V1)
    own = virtual_service(fqdn, {"route": [to(fqdn, "v2")]}, name="own", namespace="other", exportTo=["."])
    await mesh.apply(documents(public, own))
    assert await version(mesh, "http://web.shop/", frm="visitor") == "v2"
    assert await version(mesh) == "v1"


async def test_pods_of_a_new_version_join(mesh: Mesh) -> None:
    await mesh.apply(
        documents(
            pod("web-v3"),
            destination_rule("web", name="v3", subsets=subsets("v3")),
            virtual_service("web", {"route": [to("web", "v3")]}),
        )
    )
    assert await version(mesh) == "v3"
    await mesh.delete()
    assert await version(mesh) in {"v1", "v2"}
