"""A real Prometheus that asks sidecars, by the rules that docs/telemetry.md has for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from playwright.async_api import expect

from bench.made_up_mesh import MadeUpMesh
from tests.envoy.browser import browser
from tests.envoy.host_prometheus import PROMETHEUS, documented
from tests.envoy.manifests import documents, namespace, pod, service
from tests.envoy.prometheus_text import samples, total
from xds.admin.app import app
from xds.dashboard.app import with_dashboard
from xds.dashboard.around import Around
from xds.dashboard.past import Past
from xds.local.netns import open_connection
from xds.local.state import choose, find_pod, running, state_folder
from xds.prometheus.client import Prometheus
from xds.prometheus.graph import graph
from xds.prometheus.series import series
from xds.testing.mesh import Mesh

PORTS = ({"name": "http", "port": 80, "targetPort": 8080}, {"name": "tcp", "port": 9000})

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="no prometheus is installed (Debian: prometheus)")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that a pod's programs can read, as they cannot pytest's own, with one that they can write to."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "data").mkdir()
        (folder / "data").chmod(0o777)
        yield folder


@pytest.fixture(scope="module")
def mesh_manifests(folder: Path) -> str:
    job = {
        "job_name": "proxies",
        "metrics_path": "/stats/prometheus",
        "file_sd_configs": [{"files": [str(folder / "targets.json")], "refresh_interval": "1s"}],
        "metric_relabel_configs": documented(),
    }
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "targets.json").write_text("[]")
    command = [
        str(PROMETHEUS),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=0.0.0.0:9090",
        "--log.level=warn",
    ]
    return documents(
        namespace("shop"),
        namespace("monitoring", inject=False),
        pod("web-v1", ports="http:8080 tcp:9000", account="web"),
        service("web", *PORTS),
        pod("client", account="client"),
        pod("prometheus", namespace="monitoring", ports="http:9090", command=command),
    )


async def asked(mesh: Mesh, query: str) -> dict[str, float]:
    """The answer to an instant query: values by the labels of each series, as JSON."""
    where = f"http://{mesh.ip('monitoring/prometheus')}:9090/api/v1/query"
    done = await mesh.local.exec(
        mesh.pod("monitoring/prometheus"), ["curl", "-sS", "-G", where, "--data-urlencode", f"query={query}"]
    )
    answer = json.loads(done.stdout)
    assert answer["status"] == "success", answer
    return {json.dumps(each["metric"]): float(each["value"][1]) for each in answer["data"]["result"]}


async def told(mesh: Mesh, query: str, wanted: float) -> None:
    """Return when Prometheus answers with one series of that value, or with nothing for 0."""

    async def right() -> bool:
        return list((await asked(mesh, query)).values()) == [wanted]

    await mesh.until(right, f"{query} is {wanted}")


async def test_queries_for_istio_find_what_the_client_has_done(mesh: Mesh, folder: Path) -> None:
    targets = [f"{mesh.ip(name)}:15090" for name in ("client", "web-v1")]
    (folder / "targets.json").write_text(json.dumps([{"targets": targets}]))
    await mesh.requests("client", "http://web/", 40)
    await mesh.requests("client", "http://web/?status=404", 6)
    await mesh.requests("client", "http://web/?status=500", 4)
    await mesh.requests("client", "http://nowhere.example/", 2)
    await mesh.tcp("client", "web", 9000, ["hello"], count=5)
    web = 'destination_service="web.shop.svc.cluster.local"'
    for reporter in ("source", "destination"):
        await told(mesh, f'sum(istio_requests_total{{reporter="{reporter}",{web}}})', 50)
        errors = f'istio_requests_total{{reporter="{reporter}",{web},response_code=~"5.*"}}'
        await told(mesh, f"sum({errors}) / sum(istio_requests_total{{reporter='{reporter}',{web}}})", 0.08)
        opened = f'istio_tcp_connections_opened_total{{reporter="{reporter}",destination_workload="web-v1"}}'
        await told(mesh, f"sum({opened})", 5)
    await told(mesh, f'sum(istio_request_duration_milliseconds_count{{reporter="source",{web}}})', 50)
    buckets = f'sum(istio_request_duration_milliseconds_bucket{{reporter="source",{web}}}) by (le)'
    (p99,) = (await asked(mesh, f"histogram_quantile(0.99, {buckets})")).values()
    assert 0 < p99 < 10_000


async def test_labels_are_those_of_dashboards_for_istio(mesh: Mesh) -> None:
    await mesh.requests("client", "http://web/", 1)
    caller = 'reporter="destination",source_workload="client",source_workload_namespace="shop"'
    wanted = total(await samples(mesh, "web-v1"), "envoy_istio_requests_total", request_protocol="http")
    await told(mesh, f'sum(istio_requests_total{{{caller},connection_security_policy="mutual_tls"}})', wanted)
    assert await asked(mesh, '{__name__=~"envoy_istio_.*"}') == {}
    empty = 'count(istio_requests_total{destination_workload=""} or istio_requests_total{destination_service=""})'
    assert await asked(mesh, empty) == {}


@asynccontextmanager
async def reached(mesh: Mesh) -> AsyncIterator[Prometheus]:
    """The Prometheus in its pod, by an address of this machine: each connection goes on in the pod's namespace."""
    entry = find_pod(choose(running(state_folder()), mesh.name), "monitoring", "prometheus")
    namespace = os.open(f"/proc/{entry.holder}/ns/net", os.O_RDONLY)

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while part := await source.read(65536):
            sink.write(part)
            await sink.drain()
        sink.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await open_connection(namespace, "127.0.0.1", 9090)
        with contextlib.suppress(OSError):
            await asyncio.gather(copy(reader, back), copy(there, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield Prometheus(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    finally:
        server.close()
        os.close(namespace)


async def test_the_dashboard_asks_it_for_what_was_before_the_last_hour(mesh: Mesh, folder: Path) -> None:
    targets = [f"{mesh.ip(name)}:15090" for name in ("client", "web-v1")]
    (folder / "targets.json").write_text(json.dumps([{"targets": targets}]))
    async with reached(mesh) as known:
        await shows_hours(mesh, known)


async def shows_hours(mesh: Mesh, known: Prometheus) -> None:
    web = "web.shop.svc.cluster.local"

    async def grown() -> bool:
        await mesh.requests("client", "http://web/?status=500", 1)
        await mesh.requests("client", "http://web/?delay=200ms", 3)
        last = (await series(known, 6 * 3600, web))["points"][-1:]
        told = ("errors_5xx", "p95_ms", "in_flight")
        return bool(last and last[0]["requests"] >= 8 and all(last[0][name] for name in told))

    await mesh.until(grown, "the last step has requests, errors and durations")
    told = await series(known, 6 * 3600)
    [point] = told["points"][-1:]
    assert told["step_s"] == 180
    # What Prometheus says of both sides is not added up; it reckons what has grown before its first and after its last.
    edge = next(
        each for each in (await graph(known, 180, "")).edges if each["service"] == web and each["protocol"] == "http"
    )
    assert 0.5 < point["requests"] / edge["signals"]["requests"] < 1.5
    assert 0.15 < point["error_share"] < 0.35
    assert edge["signals"]["in_flight"] > 0
    made_up = MadeUpMesh()
    async with browser(with_dashboard(app(made_up), made_up, made_up, Around(past=Past(known)))) as show:
        page = await show(f"services/{web}")
        await page.get_by_label("Over the last").select_option("6h")
        await expect(page.get_by_role("img", name=re.compile("^Requests: now all 0?[.]?[1-9]"))).to_be_visible()
        await page.goto(page.url.partition("#")[0] + "#/graph")
        await page.get_by_label("Over the last").select_option("7d")
        await expect(page.locator("main table tbody tr", has_text=web).first).to_contain_text("client.shop")
