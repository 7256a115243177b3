"""What the Grafana dashboards ask, asked of a real Prometheus: every panel has data, under the names of its legend."""

from __future__ import annotations

import asyncio
import itertools
import math
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import pytest

from tests.envoy.host_prometheus import PROMETHEUS, Prometheus, prometheus
from tests.envoy.manifests import documents, namespace, pod, security, service, to, virtual_service
from tools.grafana import dashboards
from xds.server import Answer, Node
from xds.server.batch import Batch
from xds.testing.mesh import Mesh
from xds.webhooks.review import AdmissionRequest, GroupVersionKind, denied
from xds.webhooks.server import VALIDATE
from xds.wire.type_urls import ROUTE

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.netns,
    pytest.mark.skipif(PROMETHEUS is None, reason="no prometheus is installed (Debian: prometheus)"),
]

WEB: Final = "web.shop.svc.cluster.local"
SIDECARS: Final = {"client": "client", "web-v1": "web-v1"}
PORTS: Final = (
    {"name": "http", "port": 80, "targetPort": 8080},
    {"name": "tcp", "port": 9000},
    {"name": "grpc", "port": 7070},
)
CHOSEN: Final = {"__rate_interval": "1m", "reporter": "source", "namespace": "shop"}
# Whose traffic a dashboard of one workload is of: who is called, and who calls.
WORKLOADS: Final = {"Asked": "web", "Asks": "client", "TCP: connections taken": "web", "TCP: bytes": "client"}
# Queries as they stand in dashboards and alerts for Istio.
FOR_ISTIO: Final = (
    'sum(rate(istio_requests_total{reporter="destination", destination_service="web.shop.svc.cluster.local"}[1m]))',
    (
        'sum(rate(istio_requests_total{reporter=~"destination",destination_service_namespace="shop",response_code!~"5.*"}'
        '[1m])) / sum(rate(istio_requests_total{reporter=~"destination",destination_service_namespace="shop"}[1m]))'
    ),
    (
        'histogram_quantile(0.50, sum(irate(istio_request_duration_milliseconds_bucket{reporter=~"source",'
        'destination_service=~"web.shop.svc.cluster.local"}[1m])) by (le)) / 1000'
    ),
    (
        "histogram_quantile(0.99, sum(rate(istio_request_duration_milliseconds_bucket[1m])) "
        "by (destination_canonical_service, destination_workload_namespace, reporter, le))"
    ),
    (
        'sum(irate(istio_requests_total{connection_security_policy="mutual_tls",destination_service=~"web.*",'
        'reporter=~"destination",source_workload=~"client",source_workload_namespace=~"shop"}[1m])) '
        "by (source_workload, source_workload_namespace, response_code)"
    ),
    (
        'sum(rate(istio_tcp_received_bytes_total{reporter=~"source", destination_workload_namespace=~"shop"}[1m])) '
        "by (destination_workload)"
    ),
    'sum(rate(istio_response_bytes_sum{reporter="source"}[1m])) by (destination_service)',
    'sum(istio_build{component="pilot"}) by (tag)',
    'sum(rate(pilot_xds_pushes{type=~"lds|cds|rds|eds"}[1m])) by (type)',
    "histogram_quantile(0.99, sum(rate(pilot_proxy_convergence_time_bucket[1m])) by (le))",
    'sum(rate(pilot_total_xds_rejects{type="rds"}[1m]))',
)


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    refused = {"to": [{"operation": {"methods": ["DELETE"]}}]}
    about: dict[str, Any] = {"action": "DENY", "selector": {"matchLabels": {"app": "web"}}, "rules": [refused]}
    return documents(
        namespace("shop"),
        pod("client", account="client"),
        pod("web-v1", ports="http:8080 tcp:9000 grpc:7070", account="web"),
        service("web", *PORTS),
        service("empty"),
        security("AuthorizationPolicy", "no-deletes", **about),
        # Findings: a rule for nobody.
        security("AuthorizationPolicy", "lonely", selector={"matchLabels": {"app": "nobody"}}),
    )


@asynccontextmanager
async def traffic(mesh: Mesh) -> AsyncIterator[None]:
    """All that the panels tell of happens, again and again: a rate is of what has changed since it was first seen."""

    async def drive() -> None:
        for turn in itertools.count(10):
            route = {"timeout": f"{turn}s", "route": [to("web")]}
            await mesh.apply(documents(virtual_service("web", route)))
            await mesh.requests("client", "http://web/", 5)
            await mesh.requests("client", "http://web/?status=404", 1)
            await mesh.requests("client", "http://web/?status=503", 1)
            await mesh.requests("client", "http://web/", 1, method="DELETE")
            await mesh.requests("client", "http://empty/", 1)
            await mesh.tcp("client", "web", 9000, ["hello"], count=1)
            await mesh.grpc("client", "web:7070", 1)
            noted(mesh)

    driving = asyncio.create_task(drive())
    try:
        yield
    finally:
        driving.cancel()
        (ended,) = await asyncio.gather(driving, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError), ended


def noted(mesh: Mesh) -> None:
    """What cannot be had here: a NACK, as the prover would have seen it, and a call of an API server."""
    metrics = mesh.up.control_plane.metrics
    metrics.on_nack(Node("client"), Answer(ROUTE, Batch(), "no good"))
    of = GroupVersionKind("networking.istio.io", "v1", "VirtualService")
    no = denied(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", "no good")
    metrics.webhooks.answered(VALIDATE, AdmissionRequest(uid="u", operation="CREATE", kind=of), no, 0.01)


async def answered(mesh: Mesh, asked: Prometheus, query: str, legend: str = "") -> None:
    """Return when the query has data, each series with all labels of the legend, and numbers."""
    labels = set(re.findall(r"\{\{(\w+)\}\}", legend))
    found: list[Any] = []

    async def there() -> bool:
        found[:] = await asked.query(query)
        return any(not math.isnan(value) for _, value in found) and all(labels <= known.keys() for known, _ in found)

    try:
        await mesh.until(there, f"{query} has data")
    except TimeoutError:
        raise AssertionError(f"{query}: {found}") from None


def expression(text: str, chosen: dict[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda name: chosen[name[1]], text)


async def test_every_panel_has_data(mesh: Mesh) -> None:
    async with prometheus(mesh, SIDECARS) as asked, traffic(mesh):
        for file, plain in dashboards().items():
            for panel in plain["panels"]:
                workload = next((name for title, name in WORKLOADS.items() if panel["title"].startswith(title)), "")
                found = {"web": "web-v1"}.get(workload, workload)
                for target in panel["targets"]:
                    query = expression(target["expr"], {**CHOSEN, "workload": found})
                    await answered(mesh, asked, query, target["legendFormat"])
            print(f"{file}: {len(plain['panels'])} panels")
        for query in FOR_ISTIO:
            await answered(mesh, asked, query)
        await variables(mesh, asked)


async def variables(mesh: Mesh, asked: Prometheus) -> None:
    """What can be chosen above the panels is what there is."""
    wanted = {"namespace": "shop", "workload": "web-v1"}
    choices = [each for plain in dashboards().values() for each in plain["templating"]["list"]]
    queries = {each["name"]: each["query"]["query"] for each in choices if each["type"] == "query"}
    assert queries.keys() == wanted.keys()
    for name, query in queries.items():
        form = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
        assert form is not None
        assert wanted[name] in await asked.label_values(expression(form[1], CHOSEN), form[2])
