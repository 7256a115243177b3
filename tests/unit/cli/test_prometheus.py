"""``plait top`` and ``plait graph`` with what a Prometheus tells."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.unit.prometheus.prometheus import prometheus
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
        (WEB.labels(response_code="503", response_flags="UO"), "60"),
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
    "istio_request_duration_milliseconds_sum": ((WEB.labels(), "43200000"),),
    "istio_request_bytes_sum": ((WEB.labels(), "3600"),),
    "istio_tcp_connections_opened_total": ((TCP.labels(), "4"),),
}


def at_once(told: Mapping[str, Found]) -> Mapping[str, Sequence[Any]]:
    return {name: [{"metric": dict(of), "value": [0, value]} for of, value in each] for name, each in told.items()}


def test_the_graph_of_six_hours() -> None:
    with prometheus(at_once(TOLD)) as (url, queries):
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
    assert (signals["in_flight"], signals["overloaded"]) == (2.0, 60)
    assert found["unknown", "shop/db", "http"]["signals"]["requests"] == 7
    assert found["shop/web", "shop/db", "tcp"]["signals"]["connections_opened"] == 4
    assert {each["id"]: each["version"] for each in told["nodes"]} == {"shop/db": "v1", "shop/web": "v2", "unknown": ""}
    assert any('increase({__name__=~"(envoy_)?istio_requests_total"}[21600s])' in query for query in queries)


def test_versions() -> None:
    with prometheus(at_once(TOLD)) as (url, _):
        of = ("--prometheus", url, "--window", "6h", "-o", "json")
        result = CliRunner().invoke(app(), ["top", "versions", *of])
    [found] = json.loads(result.stdout)
    assert (found["version"], found["workloads"], found["signals"]["requests"]) == ("v1", 1, 367)


def test_only_a_namespace() -> None:
    with prometheus(at_once(TOLD)) as (url, _):
        result = CliRunner().invoke(app(), ["top", "--prometheus", url, "--window", "24h", "-n", "other"])
    assert result.stdout == "no sidecar of namespace other has told of a call within the last 24h\n"


def test_what_goes_wrong() -> None:
    with prometheus(at_once(TOLD), 422) as (url, _):
        result = CliRunner().invoke(app(), ["top", "--prometheus", url, "--window", "6h"])
    assert result.exit_code == 2
    assert "does not answer: too much" in result.stderr
    for where, error in (
        ("http://127.0.0.1:1", "no Prometheus answers at"),
        ("127.0.0.1:1", "no Prometheus answers at http://127.0.0.1:1"),
        ("ftp://x", "the URL of Prometheus must be http(s)://"),
        ("http://x?token=y", "the URL of Prometheus must be http(s)://"),
    ):
        result = CliRunner().invoke(app(), ["top", "--prometheus", where, "--window", "6h"])
        assert error in result.stderr
    result = CliRunner().invoke(app(), ["top", "--prometheus", "http://x", "--window", "10s"])
    assert "--window must be at least 1m" in result.stderr


@pytest.mark.parametrize("status", [200, 401, 422])
def test_its_password_is_used_and_never_told(status: int) -> None:
    with prometheus(at_once(TOLD), status) as (url, queries):
        given = url.replace("http://", "http://ops:s3cret@")
        result = CliRunner().invoke(app(), ["graph", "--prometheus", given, "--window", "6h"])
    assert "Basic b3BzOnMzY3JldA==" in queries
    assert result.exit_code == (0 if status == 200 else 2)
    away = CliRunner().invoke(app(), ["graph", "--prometheus", "http://ops:s3cret@127.0.0.1:1", "--window", "6h"])
    wrong = CliRunner().invoke(app(), ["graph", "--prometheus", "http://ops:s3cret@x:y", "--window", "6h"])
    assert "no Prometheus answers at http://127.0.0.1:1 " in away.stderr
    for told in (result, away, wrong):
        assert "s3cret" not in told.output
