"""``plait explain``: the way of a call through its caller's proxy, and whose word each step is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.envoy.manifests import (
    HTTP,
    Manifest,
    destination_rule,
    documents,
    gateway,
    mesh_config,
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
from xds.cli.plait import app

TCP = {"name": "tcp", "port": 9000}


def world() -> list[Manifest]:
    return [
        *(namespace(name) for name in ("shop", "other", "ingress")),
        pod("client", account="client"),
        pod("visitor", namespace="other"),
        pod("web-v1", ports="http:8080 tcp:9000"),
        service("web", HTTP, TCP, clusterIP="10.96.0.1"),
        destination_rule("web", subsets=subsets("v1", "v2")),
        *router(),
    ]


def port(destination: Manifest) -> Manifest:
    """The destination, on port 80."""
    destination["destination"]["port"] = {"number": 80}
    return destination


@pytest.fixture
def explain(tmp_path: Path) -> Any:
    """What is told of a call in a world with some more objects, and the exit status."""

    def told(*arguments: str, objects: list[Manifest]) -> tuple[Any, int]:
        named = {(each["kind"], each["metadata"]["name"]) for each in objects}
        kept = [each for each in world() if (each["kind"], each["metadata"]["name"]) not in named]
        (tmp_path / "mesh.yaml").write_text(documents(*kept, *objects))
        command = ["explain", *arguments, "-f", str(tmp_path), "-o", "json"]
        found = CliRunner().invoke(app(), command)
        assert found.exit_code in (0, 1), found.output
        return json.loads(found.stdout), found.exit_code

    return told


def steps(told: Any) -> dict[str, str]:
    return {each["step"]: each["says"] for each in told["path"]["steps"]}


def guilty(told: Any) -> list[str]:
    return [f"{each['object']} {each['field']}".strip() for each in told["path"]["decidedBy"]]


def test_the_route_by_object_field_and_line(explain: Any) -> None:
    routes = [{"match": [{"uri": {"exact": "/x"}}, {"uri": {"prefix": "/a"}}], "route": [port(to("web", "v1"))]}]
    told, status = explain("shop/client", "http://web/a/1", objects=[virtual_service("web", *routes)])
    (route,) = [each for each in told["path"]["steps"] if each["step"] == "route"]
    assert (told["verdict"], status) == ("allowed", 0)
    assert route["by"][0]["field"] == "spec.http[0].match[1]"
    assert ":" in route["by"][0]["at"]
    (leg,) = told["path"]["destinations"]
    assert leg["cluster"] == "outbound|80|v1|web.shop.svc.cluster.local"
    assert (leg["endpoints"], leg["healthy"], leg["rule"]) == (1, 1, "DestinationRule shop/web")
    assert leg["tls"].startswith("mutual TLS of the mesh")
    assert told["answers"][0]["principal"] == "cluster.local/ns/shop/sa/client"


def test_what_a_route_does_on_the_way(explain: Any) -> None:
    route = {
        "route": [{**port(to("web", "v1", 90))}, {**port(to("web", "v2", 10))}],
        "timeout": "2s",
        "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "503"},
        "fault": {"delay": {"percentage": {"value": 10}, "fixedDelay": "1s"}},
        "mirror": {"host": "web", "subset": "v2", "port": {"number": 80}},
        "rewrite": {"uri": "/new", "authority": "inner"},
        "headers": {"request": {"set": {"x-a": "b"}}},
        "match": [{"uri": {"prefix": "/old"}}],
    }
    told, _ = explain("shop/client", "http://web/old/1?x=2", objects=[virtual_service("web", route)])
    found = steps(told)
    assert found["timeout"] == "2s"
    assert found["retries"] == "3 on retriable-status-codes, 503, 1s a try"
    assert found["fault"] == "10% are held up for 1s"
    assert "100% of requests are copied to outbound|80|v2|" in found["mirror"]
    assert found["headers"] == "=x-a"
    request = told["answers"][0]["request"]
    assert (request["path"], request["authority"]) == ("/new/1?x=2", "inner")
    assert [each["share"] for each in told["path"]["destinations"]] == [90, 10]
    assert any(note.startswith("10% of requests get 503: no pod behind") for note in told["notes"])


def test_policies_judge_the_request_as_its_route_has_made_it(explain: Any) -> None:
    route = {"route": [port(to("web", "v1"))], "rewrite": {"uri": "/inner"}, "match": [{"uri": {"prefix": "/outer"}}]}
    allowed = security("AuthorizationPolicy", "web", rules=[{"to": [{"operation": {"paths": ["/inner*"]}}]}])
    told, status = explain("shop/client", "http://web/outer", objects=[virtual_service("web", route), allowed])
    assert (told["verdict"], status) == ("allowed", 0)


@pytest.mark.parametrize(
    ("destination", "says", "field"),
    [
        (to("web", "v9"), "defines no subset 'v9'; it defines v1, v2", "subset"),
        (to("web", "v2"), "no pod behind Service shop/web has the labels of subset 'v2'", None),
        (to("wbe"), "no Service and no ServiceEntry has the host 'wbe.shop.svc.cluster.local'", "host"),
    ],
    ids=["subset", "nobody", "host"],
)
def test_a_route_into_nothing_names_the_field(
    explain: Any, destination: Manifest, says: str, field: str | None
) -> None:
    told, status = explain(
        "shop/client", "http://web/", objects=[virtual_service("web", {"route": [port(destination)]})]
    )
    assert (told["verdict"], told["path"]["status"], status) == ("unreachable", 503, 1)
    assert says in told["path"]["because"]
    if field is not None:
        assert guilty(told)[0] == f"VirtualService shop/web spec.http[0].route[0].destination.{field}"
    else:
        assert guilty(told)[0] == "DestinationRule shop/web spec.subsets"


def test_a_port_that_is_not_there(explain: Any) -> None:
    destination = to("web", "v1")
    destination["destination"]["port"] = {"number": 81}
    told, _ = explain("shop/client", "http://web/", objects=[virtual_service("web", {"route": [destination]})])
    assert "Service shop/web has no port 81; it has 80, 9000" in told["path"]["because"]


def test_no_route_matches(explain: Any) -> None:
    route = {"match": [{"uri": {"prefix": "/a"}}], "route": [port(to("web", "v1"))]}
    told, status = explain("shop/client", "http://web/b", objects=[virtual_service("web", route)])
    assert (told["path"]["status"], status, guilty(told)) == (404, 1, ["VirtualService shop/web"])


@pytest.mark.parametrize(
    ("route", "code"),
    [({"redirect": {"uri": "/x"}}, 301), ({"directResponse": {"status": 418}}, 418)],
    ids=["redirect", "direct"],
)
def test_what_the_proxy_answers_itself(explain: Any, route: Manifest, code: int) -> None:
    told, status = explain("shop/client", "http://web/", objects=[virtual_service("web", route)])
    assert (told["verdict"], told["path"]["status"], status) == ("answered", code, 0)
    assert guilty(told) == ["VirtualService shop/web spec.http[0]"]


def http_route(*backends: Manifest) -> Manifest:
    rules = [{"matches": [{"path": {"value": "/a"}}], "backendRefs": list(backends)}]
    spec = {"parentRefs": [{"group": "", "kind": "Service", "name": "web"}], "rules": rules}
    metadata = {"name": "web", "namespace": "shop"}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata, "spec": spec}


def test_routes_of_the_gateway_api(explain: Any) -> None:
    good, bad = {"name": "web", "port": 80, "weight": 3}, {"name": "none", "port": 80}
    told, status = explain("shop/client", "http://web/a", objects=[http_route(good)])
    assert (told["verdict"], status) == ("allowed", 0)
    assert "HTTPRoute shop/web spec.rules[0].matches[0]" in steps(told)["route"]
    told, status = explain("shop/client", "http://web/a", objects=[http_route(bad)])
    assert (told["verdict"], told["path"]["status"], status) == ("unreachable", 500, 1)
    assert guilty(told) == ["HTTPRoute shop/web spec.rules[0].matches[0]"]
    told, status = explain("shop/client", "http://web/a", objects=[http_route(good, bad)])
    assert (told["verdict"], status) == ("allowed", 0)
    assert any(note.startswith("25% of requests get") for note in told["notes"])
    assert explain("shop/client", "http://web/b", objects=[http_route(good)])[0]["path"]["status"] == 404


def sidecar(*hosts: str, **spec: Any) -> Manifest:
    metadata = {"name": "default", "namespace": "shop"}
    wanted = {"egress": [{"hosts": list(hosts)}], **spec}
    return {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": metadata, "spec": wanted}


ONLY = {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}


def test_a_sidecar_that_leaves_the_host_out(explain: Any) -> None:
    told, status = explain("shop/client", "web:80", objects=[sidecar("other/*", **ONLY)])
    assert (told["verdict"], status) == ("unreachable", 1)
    assert "leaves Service shop/web out" in steps(told)["sees"]
    assert "Sidecar shop/default spec.egress" in guilty(told)
    assert "Sidecar shop/default spec.outboundTrafficPolicy" in guilty(told)


def test_a_service_that_is_not_exported(explain: Any) -> None:
    config = mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})
    private = service("web", HTTP, clusterIP="10.96.0.1")
    private["metadata"]["annotations"] = {"networking.istio.io/exportTo": "."}
    told, _ = explain("other/visitor", "http://web.shop.svc.cluster.local/", objects=[private, config])
    assert "is not exported to namespace other" in steps(told)["sees"]
    assert "MeshConfig istio-system/istio outboundTrafficPolicy" in guilty(told)


@pytest.mark.parametrize("mode", ["ALLOW_ANY", "REGISTRY_ONLY"])
def test_hosts_that_nobody_knows(explain: Any, mode: str) -> None:
    config = mesh_config(outboundTrafficPolicy={"mode": mode})
    for url in ("http://nowhere.example.com/", "https://nowhere.example.com/"):
        told, status = explain("shop/client", url, objects=[config])
        assert (told["verdict"], status) == (("allowed", 0) if mode == "ALLOW_ANY" else ("unreachable", 1))
        assert mode in steps(told)["beyond"]


def test_a_host_outside_by_its_service_entry(explain: Any) -> None:
    ports = [{"number": 443, "name": "tls", "protocol": "TLS"}]
    entry = service_entry("api", hosts=["api.example.com"], location="MESH_EXTERNAL", resolution="DNS", ports=ports)
    told, status = explain("shop/client", "https://api.example.com/", objects=[entry])
    assert (told["path"]["end"], status) == ("leaves", 0)
    assert told["path"]["destinations"][0]["cluster"] == "outbound|443||api.example.com"
    assert steps(told)["sees"] == "ServiceEntry shop/api"


def test_connections_and_their_routes(explain: Any) -> None:
    tcp = [{"route": [{"destination": {"host": "web", "subset": "v1", "port": {"number": 9000}}}]}]
    told, _ = explain("shop/client", "web:9000", objects=[virtual_service("web", tcp=tcp)])
    (step,) = [each for each in told["path"]["steps"] if each["step"] == "route"]
    assert step["by"][0]["object"] == "VirtualService shop/web"
    assert told["path"]["destinations"][0]["subset"] == "v1"
    assert not told["path"]["http"]


@pytest.mark.parametrize(
    ("rule", "tls"),
    [({"mode": "DISABLE"}, "plaintext (DISABLE)"), ({"mode": "ISTIO_MUTUAL"}, "mutual TLS of the mesh, always")],
    ids=["off", "on"],
)
def test_tls_that_a_rule_decides(explain: Any, rule: Manifest, tls: str) -> None:
    told, _ = explain("shop/client", "web:80", objects=[destination_rule("web", trafficPolicy={"tls": rule})])
    assert told["path"]["destinations"][0]["tls"].startswith(tls)
    assert told["answers"][0]["mtls"]["spoken"] is (rule["mode"] != "DISABLE")
    assert told["answers"][0]["mtls"]["decidedBy"][0]["object"] == "DestinationRule shop/web"


def edge(*servers: Manifest) -> list[Manifest]:
    route = {"match": [{"uri": {"prefix": "/a"}}], "route": [port(to("web.shop.svc.cluster.local", "v1"))]}
    wanted = virtual_service("www.example.com", route, name="www", gateways=["shop/www"])
    return [gateway("www", *servers), wanted]


def test_what_comes_in_at_a_gateway(explain: Any) -> None:
    objects = edge(server(80, "HTTP", "www.example.com"))
    told, status = explain("ingress/edge", "http://www.example.com/a", objects=objects)
    assert (told["verdict"], status) == ("allowed", 0)
    assert told["answers"][0]["principal"] == "cluster.local/ns/ingress/sa/default"
    assert "VirtualService shop/www spec.http[0].match[0]" in steps(told)["route"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://www.example.com/b", "no route of VirtualService shop/www matches"),
        ("http://web.shop/a", "nobody routes the host 'web.shop' there, but www.example.com"),
        ("http://www.example.com:81/a", "no server of its Gateways is on port 81"),
        ("https://www.example.com/a", "has no certificate that it may show: Secret ingress/none, which is not there"),
    ],
    ids=["route", "host", "port", "certificate"],
)
def test_what_a_gateway_refuses(explain: Any, url: str, says: str) -> None:
    tls = {"mode": "SIMPLE", "credentialName": "none"}
    servers = (server(80, "HTTP", "www.example.com"), server(443, "HTTPS", "www.example.com", tls=tls))
    told, status = explain("ingress/edge", url, objects=edge(*servers))
    assert (told["verdict"], status) == ("unreachable", 1)
    assert says in told["path"]["because"]


def test_a_caller_without_a_sidecar_has_no_way(explain: Any) -> None:
    told, _ = explain("shop/client", "web:80", "--plaintext", objects=[])
    assert told["path"] is None


def test_text_for_people(tmp_path: Path) -> None:
    (tmp_path / "mesh.yaml").write_text(documents(*world(), virtual_service("web", {"route": [port(to("web", "v9"))]})))
    found = CliRunner().invoke(app(), ["explain", "shop/client", "web:80", "-f", str(tmp_path)])
    first, *rest = found.stdout.splitlines()
    said = "UNREACHABLE: DestinationRule shop/web defines no subset 'v9'; it defines v1, v2 (503)"
    assert first.startswith(f"{said} [VirtualService shop/web spec.http[0].route[0].destination.subset]  ")
    assert any("route    VirtualService shop/web spec.http[0]" in line for line in rest)
