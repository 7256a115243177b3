"""What a Gateway tells its routers: servers, hosts with their routes, connections."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.view.gateway_api.meshes import (
    GATEWAY,
    Plain,
    api,
    gateway,
    graph,
    listener,
    route,
    secret,
    service,
)
from xds.model.gateway import BoundRoute, EdgeTlsMode
from xds.view.gateway_api.alternatives import NOWHERE
from xds.view.gateway_api.bound import connections, http_hosts, servers
from xds.view.graph import Graph, call

WEB = service("web")
API = service("api", address="10.96.0.10")
TO_API = [{"name": "api", "port": 80}]


def hosts(mesh: Graph, index: int = 0) -> dict[str, list[str]]:
    """Each host with the routes that are tried for it: path and where it goes."""
    server = mesh.get(call(servers, GATEWAY))[index]
    found = mesh.get(call(http_hosts, GATEWAY, server))
    return {each.host: [shown(bound) for bound in each.routes] for each in found}


def shown(bound: BoundRoute) -> str:
    path = bound.match.request.path
    to = "+".join(f"{each.destination.host.split('.')[0]}*{each.weight}" for each in bound.route.destinations)
    return f"{path.value if path else '*'} {to or ' '.join(type(p).__name__ for p in bound.route.policies)}"


def to(*backends: Plain, path: str = "", **more: Any) -> Plain:
    matches = {"matches": [{"path": {"value": path}}]} if path else {}
    return {"backendRefs": list(backends) or [{"name": "web", "port": 80}], **matches, **more}


def test_only_listeners_that_can_be_served_are() -> None:
    tls = {"certificateRefs": [{"name": "cert"}, {"name": "cert", "namespace": "far"}]}
    granted: Any = {
        "from": [{"group": GATEWAY.group, "kind": "Gateway", "namespace": "infra"}],
        "to": [{"group": "", "kind": "Secret"}],
    }
    allowed = api("ReferenceGrant", "g", "far", **granted)
    mesh = graph(
        gateway(
            listener(),
            listener("tls", "HTTPS", 443, tls=tls),
            listener("passed", "TLS", 8443, hostname="*.a.b", tls={"mode": "Passthrough"}),
            listener("udp", "UDP", 53),
        ),
        secret("cert"),
        secret("cert", "far"),
        allowed,
    )
    found = mesh.get(call(servers, GATEWAY))
    assert [(each.section, each.port, each.hosts[0].host) for each in found] == [
        ("http", 80, "*"),
        ("tls", 443, "*"),
        ("passed", 8443, "*.a.b"),
    ]
    assert found[1].tls.mode is EdgeTlsMode.SIMPLE
    assert [(each.name, each.namespace) for each in found[1].tls.certificates] == [("cert", ""), ("cert", "far")]
    assert found[2].tls.mode is EdgeTlsMode.PASSTHROUGH


def test_a_listener_without_routes_has_its_host_alone() -> None:
    assert hosts(graph(gateway(listener(hostname="*.a.b")))) == {"*.a.b": []}
    assert hosts(graph(gateway(listener()))) == {"*": []}


def test_routes_for_one_host_are_merged_by_precedence() -> None:
    mesh = graph(
        gateway(listener()),
        WEB,
        API,
        route("old", created="2020-01-01T00:00:00Z", hostnames=["a.b"], rules=[to(path="/x"), to()]),
        route(
            "new",
            created="2021-01-01T00:00:00Z",
            hostnames=["a.b", "c.b"],
            rules=[to(*TO_API, path="/x/y"), to(*TO_API)],
        ),
    )
    assert hosts(mesh) == {
        "a.b": ["/x/y api*1", "/x web*1", "* web*1"],
        "c.b": ["/x/y api*1", "* api*1"],
        "*": [],
    }


def test_wider_hosts_fill_what_more_precise_ones_leave() -> None:
    mesh = graph(
        gateway(listener()),
        WEB,
        API,
        route("wide", hostnames=["*.b"], rules=[to(*TO_API, path="/long/path"), to(*TO_API)]),
        route("narrow", hostnames=["a.b"], rules=[to(path="/x")]),
    )
    found = hosts(mesh)
    assert found["a.b"] == ["/x web*1", "/long/path api*1", "* api*1"]
    assert found["*.b"] == ["/long/path api*1", "* api*1"]


def test_listeners_of_one_port_keep_to_themselves() -> None:
    mesh = graph(
        gateway(listener("any"), listener("wild", hostname="*.a.b"), listener("one", hostname="x.a.b")),
        WEB,
        API,
        route("r", parentRefs=[{"name": "edge", "sectionName": "any"}], hostnames=["x.a.b", "y.a.b", "c.d"]),
        route("s", parentRefs=[{"name": "edge", "sectionName": "wild"}], rules=[to(*TO_API)]),
    )
    assert hosts(mesh, 0) == {"c.d": ["* web*1"], "*": []}
    assert hosts(mesh, 1) == {"*.a.b": ["* api*1"]}
    assert hosts(mesh, 2) == {"x.a.b": []}


def test_what_cannot_be_used_answers_500() -> None:
    gone, far = {"name": "gone", "port": 80, "weight": 3}, {"name": "web", "namespace": "far", "port": 80}
    mesh = graph(
        gateway(listener()),
        WEB,
        service("web", "far", address="10.96.0.11"),
        route(
            rules=[
                to(gone, path="/gone"),
                to({"name": "web", "port": 80}, gone, path="/part"),
                to(far, path="/far"),
                to(path="/moon", filters=[{"type": "Moon"}]),
                {"matches": [{"path": {"value": "/none"}}]},
                to({"name": "web", "port": 80, "weight": 0}, path="/zero"),
            ]
        ),
    )
    found = dict(line.split(" ", 1) for line in hosts(mesh)["*"])
    answered = dict.fromkeys(("/gone", "/far", "/moon", "/none", "/zero"), "DirectResponse")
    assert found == {**answered, "/part": f"web*1+{NOWHERE.host.split('.')[0]}*3"}


def test_connections_by_server_name_the_oldest_route_first() -> None:
    tls = listener("tls", "TLS", 443, hostname="*.a.b", tls={"mode": "Passthrough"})
    mesh = graph(
        gateway(tls),
        WEB,
        API,
        route(
            "new", kind="TLSRoute", created="2021-01-01T00:00:00Z", hostnames=["x.a.b", "y.a.b"], rules=[to(*TO_API)]
        ),
        route("old", kind="TLSRoute", created="2020-01-01T00:00:00Z", hostnames=["x.a.b", "*.b"]),
        route("no-backends", kind="TLSRoute", hostnames=["z.a.b"], rules=[{"backendRefs": []}]),
        route("http", hostnames=["x.a.b"]),
    )
    (server,) = mesh.get(call(servers, GATEWAY))
    found = mesh.get(call(connections, GATEWAY, server))
    assert [(each.match.sni_hosts[0], each.destinations[0].destination.host.split(".")[0]) for each in found] == [
        ("x.a.b", "web"),
        ("y.a.b", "api"),
        ("z.a.b", "backend"),
        ("*.a.b", "web"),
    ]


def test_tcp_is_the_oldest_routes() -> None:
    mesh = graph(gateway(listener("tcp", "TCP", 5432)), WEB, route("db", kind="TCPRoute"), route("e", kind="TCPRoute"))
    (server,) = mesh.get(call(servers, GATEWAY))
    (only,) = mesh.get(call(connections, GATEWAY, server))
    assert (only.authored.name, only.match.sni_hosts) == ("db", ())


def test_redirects_know_the_port_at_which_requests_come_in() -> None:
    def location(listens: int, **said: Any) -> tuple[str, int]:
        filters = [{"type": "RequestRedirect", "requestRedirect": said}]
        mesh = graph(gateway(listener(port=listens)), route(rules=[{"filters": filters}]))
        server = mesh.get(call(servers, GATEWAY))[0]
        (bound,) = mesh.get(call(http_hosts, GATEWAY, server))[0].routes
        redirect: Any = next(iter(bound.route.policies))
        return redirect.scheme, redirect.port

    assert location(80, hostname="a.b") == ("", 0)
    assert location(8080, hostname="a.b") == ("", 8080)
    assert location(80, scheme="https") == ("https", 0)
    assert location(8080, scheme="https") == ("https", 443)
    assert location(8080, scheme="https", hostname="a.b") == ("https", 0)
    assert location(80, port=8443) == ("", 8443)


def test_a_mirror_that_may_not_be_gets_nothing() -> None:
    def mirror(**backend: Any) -> Plain:
        return {"type": "RequestMirror", "requestMirror": {"backendRef": {"port": 80, **backend}}}

    filters = [mirror(name="api"), mirror(name="gone"), mirror(name="web", namespace="far")]
    mesh = graph(gateway(listener()), WEB, API, service("web", "far"), route(rules=[to(filters=filters)]))
    (server,) = mesh.get(call(servers, GATEWAY))
    (bound,) = mesh.get(call(http_hosts, GATEWAY, server))[0].routes
    mirrors: Any = next(policy for policy in bound.route.policies if type(policy).__name__ == "Mirrors")
    assert [each.destination.host for each in mirrors.mirrors] == ["api.infra.svc.cluster.local"]


@pytest.mark.parametrize("mode", ["SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL", "ISTIO_MUTUAL"])
def test_istios_option_says_what_clients_must_prove(mode: str) -> None:
    tls: Plain = {"options": {"gateway.istio.io/tls-terminate-mode": mode}, "certificateRefs": [{"name": "cert"}]}
    (server,) = graph(gateway(listener(protocol="HTTPS", tls=tls)), secret("cert")).get(call(servers, GATEWAY))
    assert server.tls.mode is EdgeTlsMode(mode)


def test_an_option_that_nobody_knows_is_not_served() -> None:
    tls: Plain = {"options": {"gateway.istio.io/tls-terminate-mode": "MOON"}, "certificateRefs": [{"name": "cert"}]}
    assert graph(gateway(listener(protocol="HTTPS", tls=tls)), secret("cert")).get(call(servers, GATEWAY)) == ()
