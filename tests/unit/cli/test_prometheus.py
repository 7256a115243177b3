"""``plait top`` and ``plait graph`` with what a Prometheus tells."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from tests.unit.telemetry.told import Call
from xds.cli.plait import app

Found = Sequence[tuple[Mapping[str, str], str]]
WEB = Call(more={"source_version": "v2", "destination_version": "v1"})
OUTSIDE = Call(reporter="destination", secure=False)
THEIRS = Call(reporter="destination")
TCP = Call(protocol="tcp")
TOLD: Mapping[str, Found] = {
    "istio_requests_total": (
        (WEB.labels(response_code="200", response_flags="-"), "300.4"),
        (WEB.labels(response_code="503", response_flags="UH"), "60"),
        (THEIRS.labels(response_code="200"), "300"),
        (OUTSIDE.labels(response_code="200"), "7"),
        (WEB.labels(response_code="404"), "NaN"),
    ),
    "istio_request_duration_milliseconds_bucket": (
        (WEB.labels(le="5"), "100"),
        (WEB.labels(le="7"), "150"),
        (WEB.labels(le="10"), "200"),
        (WEB.labels(le="+Inf"), "210"),
    ),
    "istio_request_bytes_sum": ((WEB.labels(), "3600"),),
    "istio_tcp_connections_opened_total": ((TCP.labels(), "4"),),
}


@contextmanager
def prometheus(told: Mapping[str, Found], status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """The URL of one that tells that, and what it is asked."""
    queries: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)["query"][0]
            queries.append(query)
            name = query.partition("(envoy_)?")[2].partition('"')[0]
            result = [{"metric": dict(labels), "value": [0, value]} for labels, value in told.get(name, ())]
            good = {"status": "success", "data": {"resultType": "vector", "result": result}}
            self.send_response(status)
            self.end_headers()
            body: Any = good if status == 200 else {"status": "error", "error": "too much"}
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", queries
        server.shutdown()


def test_the_graph_of_six_hours() -> None:
    with prometheus(TOLD) as (url, queries):
        result = CliRunner().invoke(app(), ["graph", "--prometheus", url, "--window", "6h", "-o", "json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["window_s"] == 21600
    found = {(each["source"], each["destination"], each["protocol"]): each for each in told["edges"]}
    assert set(found) == {
        ("shop/web", "shop/db", "http"),
        ("shop/web", "shop/db", "tcp"),
        ("unknown", "shop/db", "http"),
    }
    web = found["shop/web", "shop/db", "http"]
    assert web["security"] == "mutual_tls"
    signals = web["signals"]
    assert (signals["requests"], signals["errors_5xx"], signals["bytes_sent"]) == (360, 60, 3600)
    assert (signals["p50_ms"], signals["p95_ms"]) == (pytest.approx(5.25), 9.97)
    assert found["unknown", "shop/db", "http"]["signals"]["requests"] == 7
    assert found["shop/web", "shop/db", "tcp"]["signals"]["connections_opened"] == 4
    assert {each["id"]: each["version"] for each in told["nodes"]} == {"shop/db": "v1", "shop/web": "v2", "unknown": ""}
    assert any('increase({__name__=~"(envoy_)?istio_requests_total"}[21600s])' in query for query in queries)


def test_only_a_namespace() -> None:
    with prometheus(TOLD) as (url, _):
        result = CliRunner().invoke(app(), ["top", "--prometheus", url, "--window", "24h", "-n", "other"])
    assert result.stdout == "no sidecar of namespace other has told of a call within the last 24h\n"


def test_what_goes_wrong() -> None:
    with prometheus(TOLD, 422) as (url, _):
        result = CliRunner().invoke(app(), ["top", "--prometheus", url, "--window", "6h"])
    assert result.exit_code == 2
    assert "does not answer: too much" in result.stderr
    for where, error in (
        ("http://127.0.0.1:1", "no Prometheus answers at"),
        ("nowhere", "no Prometheus answers at nowhere"),
    ):
        result = CliRunner().invoke(app(), ["top", "--prometheus", where, "--window", "6h"])
        assert error in result.stderr
    result = CliRunner().invoke(app(), ["top", "--prometheus", "http://x", "--window", "10s"])
    assert "--window must be at least 1m" in result.stderr
