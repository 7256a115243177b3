"""Istio's standard metrics, as sidecars have counted them: as many as the client has, with the right labels."""

from __future__ import annotations

from functools import partial

import pytest

from tests.envoy.manifests import documents, gateway, namespace, pod, router, server, service, to, virtual_service
from tests.envoy.prometheus_text import Sample, samples, total
from xds.testing.mesh import Mesh

PORTS = (
    {"name": "http", "port": 80, "targetPort": 8080},
    {"name": "grpc", "port": 7070},
    {"name": "tcp", "port": 9000},
)
USUAL = {"sidecar.istio.io/statsInclusionRegexps": ""}  # as sidecars are when nobody asks for more
WEB = "web.shop.svc.cluster.local"
REQUESTS = "envoy_istio_requests_total"
OPENED = "envoy_istio_tcp_connections_opened_total"
CLOSED = "envoy_istio_tcp_connections_closed_total"
LIMIT = 200
MORE = 290
SERVER = {
    "workload": "web-v1",
    "workload_namespace": "shop",
    "app": "web",
    "version": "v1",
    "canonical_service": "web",
    "canonical_revision": "v1",
    "cluster": "Kubernetes",
    "principal": "spiffe://cluster.local/ns/shop/sa/web",
    "service": WEB,
    "service_name": "web",
    "service_namespace": "shop",
}
CLIENT = {
    "workload": "client",
    "workload_namespace": "shop",
    "app": "client",
    "version": "unknown",
    "canonical_service": "client",
    "canonical_revision": "latest",
    "cluster": "Kubernetes",
    "principal": "spiffe://cluster.local/ns/shop/sa/client",
}


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("ingress"),
        namespace("outside", inject=False),
        pod("web-v1", ports="http:8080 grpc:7070 tcp:9000", account="web", annotations=USUAL),
        service("web", *PORTS),
        service("gone"),
        pod("client", account="client", annotations=USUAL),
        pod("visitor", namespace="outside"),
        *router("edge", annotations=USUAL),
        gateway("edge", server(80, "HTTP", "web.example")),
        virtual_service("web.example", {"route": [to("web")]}, name="edge", gateways=["edge"]),
    )


def both(caller: dict[str, str], server: dict[str, str]) -> dict[str, str]:
    """The labels of a call."""
    named = (("source", caller), ("destination", server))
    return {f"{side}_{name}": value for side, of in named for name, value in of.items()}


async def counted(mesh: Mesh, name: str, wanted: float, metric: str = REQUESTS, **labels: str) -> list[Sample]:
    """What a pod's Envoy tells when it has counted that many: it does when a request is over for itself, too."""
    found: list[Sample] = []

    async def enough() -> bool:
        found[:] = await samples(mesh, name)
        return total(found, metric, **labels) >= wanted

    await mesh.until(enough, f"{name} has counted {wanted} of {metric} {labels}")
    assert total(found, metric, **labels) == wanted
    return found


async def test_http(mesh: Mesh) -> None:
    before = await samples(mesh, "client")
    labels = {"reporter": "source", "destination_service": WEB, "request_protocol": "http"}
    had = total(before, REQUESTS, **labels)
    statuses = [answer.status for answer in await mesh.requests("client", "http://web/", 20)]
    statuses += [answer.status for answer in await mesh.requests("client", "http://web/?status=404", 7)]
    statuses += [answer.status for answer in await mesh.requests("client", "http://web/?status=503", 5)]
    assert [statuses.count(status) for status in (200, 404, 503)] == [20, 7, 5]
    found = await counted(mesh, "client", had + 32, **labels)
    expected = {**both(CLIENT, SERVER), **labels, "connection_security_policy": "unknown", "response_flags": "-"}
    for code in ("200", "404", "503"):
        grown = [total(each, REQUESTS, response_code=code, **expected) for each in (before, found)]
        assert grown[1] - grown[0] == statuses.count(int(code))
    arrived = await counted(mesh, "web-v1", had + 32, reporter="destination", request_protocol="http")
    unknown = {name: value if name == "principal" else "unknown" for name, value in CLIENT.items()}
    labels = {**both(unknown, SERVER), "connection_security_policy": "mutual_tls", "reporter": "destination"}
    assert total(arrived, REQUESTS, response_code="404", **labels) == total(found, REQUESTS, response_code="404")


async def test_how_long_and_how_much(mesh: Mesh) -> None:
    answers = await mesh.requests("client", "http://web/", 10)
    labels = {"reporter": "source", "destination_service": WEB, "request_protocol": "http"}
    wanted = total(await samples(mesh, "client"), REQUESTS, **labels)
    # Envoy shows of histograms what the last flush, every 10 s, has seen.
    for metric in ("request_duration_milliseconds", "request_bytes"):
        await counted(mesh, "client", wanted, f"envoy_istio_{metric}_count", **labels)
    found = await counted(mesh, "client", wanted, "envoy_istio_response_bytes_count", **labels)
    buckets = [each for each in found if each.name == "envoy_istio_request_duration_milliseconds_bucket"]
    bounds = [each.labels["le"] for each in buckets if each.has(**labels)]
    assert bounds == ["1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "+Inf"]
    size = total(found, "envoy_istio_response_bytes_sum", **labels) / wanted
    assert size == pytest.approx(len(answers[0].body), rel=0.2)


async def test_nobody_answers(mesh: Mesh) -> None:
    assert [answer.status for answer in await mesh.requests("client", "http://gone/", 3)] == [503] * 3
    labels = {"destination_service_name": "gone", "response_code": "503", "response_flags": "UH"}
    await counted(mesh, "client", 3, destination_workload="", **labels)


async def test_grpc(mesh: Mesh) -> None:
    await mesh.grpc("client", "web:7070", 4)
    await mesh.grpc("client", "web:7070", 2, headers={"x-echo-status": "5"})
    labels = {**both(CLIENT, SERVER), "request_protocol": "grpc", "response_code": "200"}
    await counted(mesh, "client", 4, grpc_response_status="0", **labels)
    await counted(mesh, "client", 2, grpc_response_status="5", **labels)
    await counted(mesh, "web-v1", 6, request_protocol="grpc", reporter="destination")


async def test_tcp(mesh: Mesh) -> None:
    replies = await mesh.tcp("client", "web", 9000, ["hello"], count=10)
    assert len(replies) == 10
    labels = {**both(CLIENT, SERVER), "request_protocol": "tcp", "reporter": "source"}
    await counted(mesh, "client", 10, OPENED, **labels)
    found = await counted(mesh, "client", 10, CLOSED, **labels)
    received = total(found, "envoy_istio_tcp_received_bytes_total", **labels)
    assert received == 10 * len("hello\n")
    assert total(found, "envoy_istio_tcp_sent_bytes_total", **labels) > received
    await counted(mesh, "web-v1", 10, OPENED, reporter="destination", destination_service=WEB)
    found = await counted(mesh, "web-v1", 10, CLOSED, reporter="destination", destination_service=WEB)
    assert total(found, "envoy_istio_tcp_received_bytes_total", source_principal=CLIENT["principal"]) == received


async def test_what_never_came_about_is_not_closed(mesh: Mesh) -> None:
    port = {"name": "tcp", "port": 9100}
    await mesh.apply(documents(service("shut", port, namespace="outside", selector={"app": "visitor"})))
    before = total(await samples(mesh, "client"), CLOSED, destination_service=WEB)
    replies = await mesh.tcp("client", "shut.outside", 9100, count=3, greetings=1)
    assert not any(reply.messages for reply in replies)
    await mesh.tcp("client", "web", 9000)  # so that what was before is worked in
    found = await counted(mesh, "client", before + 1, CLOSED, destination_service=WEB)
    assert total(found, CLOSED, destination_service_name="shut") == 0


async def test_gateways_are_sources(mesh: Mesh) -> None:
    answers = await mesh.requests("outside/visitor", "http://edge.ingress/", 6, headers={"host": "web.example"})
    assert [answer.status for answer in answers] == [200] * 6
    labels = {"reporter": "source", "source_workload": "edge", "source_workload_namespace": "ingress"}
    await counted(mesh, "ingress/edge", 6, destination_service=WEB, response_code="200", **labels)


async def quiet(mesh: Mesh, name: str) -> bool:
    """Whether a flush has seen all requests that a pod's Envoy has counted, and none of its listeners drains."""
    found = await samples(mesh, name)
    seen = total(found, "envoy_istio_response_bytes_count")
    return seen == total(found, REQUESTS) and not total(found, "envoy_listener_manager_total_listeners_draining")


async def test_series_do_not_grow_with_the_mesh(mesh: Mesh) -> None:
    async def series() -> dict[str, set[tuple[str, frozenset[tuple[str, str]]]]]:
        await mesh.requests("client", "http://web/", 5)
        found = {}
        for name in ("client", "web-v1"):
            await mesh.until(partial(quiet, mesh, name), f"all that {name} has counted is shown, and nothing drains")
            found[name] = {(each.name, frozenset(each.labels.items())) for each in await samples(mesh, name)}
        return found

    small = await series()
    assert all(len(each) <= LIMIT for each in small.values()), {name: len(each) for name, each in small.items()}
    await mesh.apply(documents(*(service(f"more-{number}", selector={"app": "nobody"}) for number in range(MORE))))
    large = await series()
    for name, each in large.items():
        different = sorted((name, sorted(labels)) for name, labels in each ^ small[name])
        assert not different, f"{name}: {different}"


async def test_telemetry_changes_what_is_counted(mesh: Mesh) -> None:
    overrides = [
        {
            "match": {"metric": "REQUEST_COUNT", "mode": "CLIENT"},
            "tagOverrides": {"method": {"value": "request.method"}, "source_app": {"operation": "REMOVE"}},
        },
        {"match": {"metric": "TCP_OPENED_CONNECTIONS"}, "disabled": True},
    ]
    spec = {"selector": {"matchLabels": {"app": "client"}}, "metrics": [{"overrides": overrides}]}
    metadata = {"name": "otherwise", "namespace": "shop"}
    before = await samples(mesh, "client")
    await mesh.apply(
        documents({"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": metadata, "spec": spec})
    )
    await mesh.requests("client", "http://web/", 4, method="POST", data="hello")
    found = await counted(mesh, "client", 4, method="POST", source_workload="client", destination_service=WEB)
    assert not any("source_app" in each.labels for each in found if each.name == REQUESTS and "method" in each.labels)
    closed, opened = (total(before, metric, destination_service=WEB) for metric in (CLOSED, OPENED))
    await mesh.tcp("client", "web", 9000, ["hello"], count=2)
    found = await counted(mesh, "client", closed + 2, CLOSED, destination_service=WEB)
    assert total(found, OPENED, destination_service=WEB) == opened


async def test_an_expression_that_envoy_refuses_costs_no_request(mesh: Mesh) -> None:
    override = {"match": {"metric": "REQUEST_COUNT"}, "tagOverrides": {"odd": {"value": "request.method =="}}}
    spec = {"metrics": [{"overrides": [override]}]}
    metadata = {"name": "odd", "namespace": "shop"}
    await mesh.apply(
        documents({"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": metadata, "spec": spec})
    )
    answers = await mesh.requests("client", "http://web/", 5)
    assert [answer.status for answer in answers] == [200] * 5

    async def told() -> bool:
        return any(problem.code == "envoy.refused" and "shop/odd" in str(problem) for problem in mesh.problems)

    await mesh.until(told, "the Telemetry is told of")
