"""How many routes one server has: hosts times routes that several authors write are bounded together."""

from __future__ import annotations

from typing import Any

import pytest

from tests.objects import applied, made
from tests.unit.view.gateway_api import meshes
from xds.decoders.build import Builder
from xds.explain.analyze import analyze
from xds.model.gateway import gateway_ref
from xds.model.snapshot import Snapshot, Table
from xds.view import delegates
from xds.view.gateway import istio
from xds.view.gateway_api import bound
from xds.view.graph import Graph, Read, call

Plain = dict[str, Any]


def istio_object(kind: str, name: str, created: int = 1, **spec: Any) -> Plain:
    metadata = {"name": name, "namespace": "shop", "creationTimestamp": f"2026-01-{created:02}T00:00:00Z"}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def routed(name: str, hosts: int, matches: int, created: int = 1, **more: Any) -> Plain:
    match = [{"uri": {"prefix": f"/{number}"}} for number in range(matches)]
    http = more.pop("http", [{"match": match, "directResponse": {"status": 200}}])
    named = [f"h{number}.{name}.test" for number in range(hosts)]
    return istio_object("VirtualService", name, created, hosts=named, http=http, **more)


def snapshot(*plain: Plain) -> Snapshot:
    return applied(Builder(), [made(each) for each in plain]).snapshot


def codes(found: Snapshot) -> list[tuple[str, str]]:
    wanted = ("delegate.size", "virtual-service.gateway-full", "gateway-api.full")
    return [(each.at.object.name, each.code) for each in analyze(found, ()) if each.code in wanted]


EDGE = istio_object(
    "Gateway",
    "edge",
    selector={"istio": "edge"},
    servers=[{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}],
)


def test_a_delegate_with_too_many_routes_for_its_roots_hosts_is_left_out() -> None:
    here = {"match": [{"uri": {"prefix": "/"}}], "delegate": {"name": "many"}}
    few = {"match": [{"uri": {"prefix": "/1"}}], "delegate": {"name": "few"}}
    own = {"directResponse": {"status": 200}}
    found = snapshot(routed("root", 300, 0, http=[here, few, own]), routed("many", 0, 120), routed("few", 0, 100))

    def ask(read: Read) -> list[str]:
        root = next(each for each in read.rows(Table.ROUTED_HOST, "h0.root.test"))
        return [ref.name for ref, _ in delegates.http_routes(read, root)]

    assert Graph(found).get(call(ask)) == ["few", "root"]
    assert codes(found) == [("root", "delegate.size")]


def test_a_server_has_the_oldest_of_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(istio, "_MOST_AT_SERVER", 100)
    more = {"gateways": ["edge"]}
    found = snapshot(
        EDGE, routed("old", 10, 8, 1, **more), routed("young", 5, 5, 3, **more), routed("other", 2, 5, 4, **more)
    )

    def ask(read: Read) -> set[str]:
        (server,) = istio.servers(read, gateway_ref("edge", "shop"))
        names = istio.host_names(read, gateway_ref("edge", "shop"), server, istio.Viewer("shop"))
        return {name.split(".")[1] for name in names}

    assert Graph(found).get(call(ask)) == {"old", "other"}
    assert codes(found) == [("young", "virtual-service.gateway-full")]


@pytest.mark.parametrize("wide_first", [True, False])
def test_what_is_for_any_host_counts_on_each(monkeypatch: pytest.MonkeyPatch, wide_first: bool) -> None:
    monkeypatch.setattr(bound, "_MOST_AT_LISTENER", 60)
    rules = [
        {"matches": [{"path": {"value": f"/{n}"}}], "backendRefs": [{"name": "web", "port": 80}]} for n in range(5)
    ]
    hosts = [f"{letter}.test" for letter in "abcdefghijkl"]
    wide = meshes.route("wide", rules=rules, created=f"2026-01-0{1 if wide_first else 3}T00:00:00Z")
    many = meshes.route("many", hostnames=hosts, created="2026-01-02T00:00:00Z")
    few = meshes.route("few", hostnames=["z.test"], created="2026-01-04T00:00:00Z")
    mesh = meshes.graph(meshes.service("web"), meshes.gateway(meshes.listener()), wide, many, few)
    (server,) = mesh.get(call(bound.servers, meshes.GATEWAY))
    found = mesh.get(call(bound.http_hosts, meshes.GATEWAY, server))
    authors = {route.authored.name for host in found for route in host.routes}
    assert authors == {"few", "wide" if wide_first else "many"}
    assert sum(len(host.routes) for host in found) <= 60
