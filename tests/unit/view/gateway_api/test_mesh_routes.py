"""Which routes hold for requests to a Service, for whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.view.gateway_api.meshes import Plain, core, graph, route, service
from xds.model.service import ServiceKey
from xds.view.gateway_api.mesh_routes import mesh_alternatives, mesh_connections, mesh_routes
from xds.view.graph import call

WEB = service("web")
KEY = ServiceKey("web.infra.svc.cluster.local", "infra")


def inside(name: str, namespace: str = "infra", *, created: str = "", kind: str = "HTTPRoute", **parent: Any) -> Plain:
    target = parent.pop("service", "web")
    wanted = {"group": "", "kind": "Service", "name": target, "namespace": "infra", **parent}
    return route(name, namespace, kind, created=created, parentRefs=[wanted])


OLD, NEW = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"
PRODUCERS = (inside("b", created=NEW), inside("z", created=OLD), inside("a", created=NEW))
CASES: dict[str, tuple[tuple[Plain, ...], str, list[str]]] = {
    "producers-by-age": (PRODUCERS, "", ["z", "a", "b"]),
    "of-the-namespace-itself": (PRODUCERS, "infra", ["z", "a", "b"]),
    "consumer": ((*PRODUCERS, inside("c", "far")), "far", ["c"]),
    "consumer-elsewhere": ((*PRODUCERS, inside("c", "far")), "else", ["z", "a", "b"]),
    "consumer-alone": ((inside("c", "far"),), "", []),
    "port": ((inside("p", port=80), inside("q", port=81)), "", ["p"]),
    "core": ((inside("p", group="core"),), "", ["p"]),
    "section-is-not-read": ((inside("p", sectionName="x"),), "", ["p"]),
    "both-kinds": ((inside("g", kind="GRPCRoute"), inside("h"), inside("t", kind="TCPRoute")), "", ["g", "h"]),
    "another-service": ((inside("p", kind="HTTPRoute", service="else"),), "", []),
}


@pytest.mark.parametrize("case", CASES)
def test_routes(case: str) -> None:
    plain, home, names = CASES[case]
    found = graph(WEB, *plain).get(call(mesh_routes, KEY, 80, home))
    assert [ref.name for ref in found] == names


def test_no_grants_are_asked_for_and_hosts_of_service_entries_may_be_meant() -> None:
    entry = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "out", "namespace": "infra"},
        "spec": {"hosts": ["out.example"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}]},
    }
    hostname = {"group": "networking.istio.io", "kind": "Hostname", "port": 80}
    rules = [
        {"backendRefs": [{"name": "far", "namespace": "far", "port": 80}, {"name": "out.example", **hostname}]},
        {"matches": [{"path": {"value": "/gone"}}], "backendRefs": [{"name": "gone.example", **hostname}]},
    ]
    parents = [{"group": "", "kind": "Service", "name": "web"}]
    mesh = graph(WEB, service("far", "far", address="10.96.0.8"), entry, route(rules=rules, parentRefs=parents))
    gone, rest = mesh.get(call(mesh_alternatives, mesh.get(call(mesh_routes, KEY, 80, "infra")), 80))
    hosts = [each.destination.host for each in rest.route.destinations]
    assert hosts == ["far.far.svc.cluster.local", "out.example"]
    assert [type(policy).__name__ for policy in gone.route.policies] == ["DirectResponse"]


@pytest.mark.parametrize(
    ("name", "names"),
    [("http", []), ("tcp", ["tcp"]), ("tls", ["tcp", "tls"]), ("guess", ["tcp"])],
)
def test_what_is_not_http(name: str, names: list[str]) -> None:
    ports = [{"name": name, "port": 80}]
    web = core("Service", "web", spec={"clusterIP": "10.96.0.9", "ports": ports})
    routes = (inside("tcp", kind="TCPRoute"), inside("tls", kind="TLSRoute"), inside("http"))
    found = graph(web, *routes).get(call(mesh_connections, KEY, 80, ""))
    assert [ref.name for ref in found] == names
