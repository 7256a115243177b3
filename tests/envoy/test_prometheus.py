"""A real Prometheus that asks sidecars, by the rules that docs/telemetry.md has for it."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.envoy.manifests import documents, namespace, pod, service
from tests.envoy.prometheus_text import samples, total
from xds.testing.mesh import Mesh

PROMETHEUS = shutil.which("prometheus")
PAGE: Final = Path(__file__).parents[2] / "docs" / "telemetry.md"
PORTS = ({"name": "http", "port": 80, "targetPort": 8080}, {"name": "tcp", "port": 9000})

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="no prometheus is installed (Debian: prometheus)")


def documented() -> list[dict[str, Any]]:
    """The relabel rules of the page."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (rules,) = (yaml.safe_load(block) for block in blocks if block.startswith("metric_relabel_configs"))
    found: list[dict[str, Any]] = rules["metric_relabel_configs"]
    return found


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
