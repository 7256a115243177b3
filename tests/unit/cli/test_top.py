"""``plait top`` and ``plait graph`` against a server that answers like a control plane."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.unit.cli.scripted import scripted
from xds.cli.cells import milliseconds, per_second, percent, size
from xds.cli.control_plane import ControlPlane
from xds.cli.failure import Failure
from xds.cli.plait import app
from xds.cli.traffic import traffic
from xds.telemetry.histogram import BUCKETS
from xds.telemetry.traffic import put_together

WEB, DB = "web.shop.svc.cluster.local", "db.shop.svc.cluster.local"


def node(name: str, kind: str = "workload", version: str = "") -> dict[str, str]:
    namespace, _, plain = name.rpartition("/")
    return {"id": name, "kind": kind, "namespace": namespace, "name": plain, "version": version}


def edge(
    source: str, destination: str, service: str, *, security: str = "mutual_tls", **signals: Any
) -> dict[str, Any]:
    durations = [0.0] * BUCKETS
    durations[6] = signals.get("requests", 0)  # 50 to 100 ms
    plain = dict.fromkeys(
        ("requests", "rate", "errors_4xx", "errors_5xx", "error_share", "bytes_sent", "bytes_received"), 0
    )
    more = {"connections_opened": 0, "connections_open": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None}
    saturation = {"in_flight": 0.0, "overloaded": 0}
    protocol = "tcp" if signals.get("connections_opened") else "http"
    return {
        "source": source,
        "destination": destination,
        "service": service,
        "protocol": protocol,
        "security": security,
        "signals": {**plain, **more, **saturation, **signals},
        "durations": durations if protocol == "http" else [],
    }


def graph(*edges: dict[str, Any]) -> dict[str, Any]:
    nodes = [node("shop/db"), node("shop/web", version="v1"), node("unknown", "unknown"), node("shop/client")]
    return {"window_s": 60, "at": "2026-11-21T19:00:00+00:00", "nodes": nodes, "edges": list(edges)}


TOLD = graph(
    edge(
        "shop/client",
        "shop/web",
        WEB,
        requests=600,
        rate=10,
        errors_5xx=60,
        errors_4xx=6,
        bytes_sent=6000,
        in_flight=1.25,
        overloaded=4,
    ),
    edge("shop/web", "shop/db", DB, connections_opened=7, connections_open=3, bytes_received=72_000, in_flight=3.0),
    edge("unknown", "shop/web", WEB, security="none", requests=60, rate=1, in_flight=0.25),
)


def run(*arguments: str, told: Any = TOLD) -> Result:
    with scripted({"*": [told]}) as where:
        return CliRunner().invoke(app(), [*arguments, "--http", where])


def lines(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines()]


def test_services_the_busiest_first() -> None:
    heading, *rows = lines(run("top"))
    assert " ".join(heading) == "SERVICE CALLERS REQ/S 4XX 5XX P50 P95 P99 INFLIGHT SENT/S RECEIVED/S CONNS"
    assert rows == [
        [WEB, "2", "11", "0.9%", "9.1%", "75ms", "98ms", "100ms", "1.5", "100B", "0B", "-"],
        [DB, "1", "-", "-", "-", "-", "-", "-", "3.0", "0B", "1.2KB", "3"],
    ]
    assert [row[0] for row in lines(run("top", "--sort", "bytes"))[1:]] == [DB, WEB]
    assert [row[0] for row in lines(run("top", "--sort", "name"))[1:]] == [DB, WEB]
    assert [row[0] for row in lines(run("top", "--sort", "inflight"))[1:]] == [DB, WEB]


def test_workloads_and_edges() -> None:
    rows = lines(run("top", "workloads", "--once"))
    assert rows[0][:3] == ["WORKLOAD", "VERSION", "REQ/S"]
    assert rows[0][-1] == "CALLS/S"
    assert [(row[0], row[1], row[2], row[-1]) for row in rows[1:]] == [
        ("shop/web", "v1", "11", "0.00"),
        ("shop/client", "-", "-", "10"),
        ("shop/db", "-", "-", "-"),
    ]
    rows = lines(run("top", "edges"))
    assert [row[:5] for row in rows[1:]] == [
        ["shop/client", "shop/web", WEB, "http", "mutual_tls"],
        ["unknown", "shop/web", WEB, "http", "none"],
        ["shop/web", "shop/db", DB, "tcp", "mutual_tls"],
    ]


def test_versions_of_services() -> None:
    canary = edge("shop/client", "shop/web-v2", WEB, requests=6, rate=0.1, in_flight=0.5)
    lost = edge("shop/client", "unknown", WEB, security="unknown", requests=3, rate=0.05)
    pod = edge("shop/client", "shop/web", "", requests=9, rate=0.15)
    told = graph(*TOLD["edges"], canary, lost, pod)
    told["nodes"].append(node("shop/web-v2", version="v2"))
    rows = lines(run("top", "versions", told=told))
    assert rows[0][:4] == ["SERVICE", "VERSION", "WORKLOADS", "REQ/S"]
    assert [row[:4] for row in rows[1:]] == [
        [WEB, "v1", "1", "11"],
        [WEB, "v2", "1", "0.10"],
        [WEB, "-", "0", "0.05"],
        [DB, "-", "1", "-"],
    ]
    [first, *_] = json.loads(run("top", "versions", "-o", "json", told=told).stdout)
    assert (first["service"], first["version"], first["workloads"]) == (WEB, "v1", 1)
    assert (first["signals"]["in_flight"], first["signals"]["overloaded"]) == (1.5, 4)


def test_programs_get_the_signals() -> None:
    result = run("top", "-o", "json")
    [web, _] = json.loads(result.stdout)
    assert (web["service"], web["callers"], web["signals"]["requests"]) == (WEB, 2, 660)
    assert web["security"] == "none"
    assert web["signals"]["p50_ms"] == 75.0
    assert "durations" not in web
    assert "p50" not in web


def test_nothing_was_called() -> None:
    nothing = run("top", "-n", "shop", told=graph()).stdout
    assert nothing == "no sidecar of namespace shop has told of a call within the last 60s\n"
    assert run("graph", told=graph()).stdout == "no sidecar has told of a call within the last 60s\n"
    assert json.loads(run("top", "-o", "json", told=graph()).stdout) == []
    assert lines(run("top", "workloads", told=graph()))[0][0] == "no"


def test_what_is_asked_badly() -> None:
    for window in ("5s", "2h"):
        result = run("top", "--window", window)
        assert result.exit_code == 2
        assert f"--window must be 10s to 1h, is '{window}'; --prometheus knows of longer ones" in result.stderr
    assert run("top", "--window", "soon").exit_code == 2


def test_the_graph_as_text() -> None:
    assert run("graph").stdout.splitlines() == [
        "shop/client",
        f"  -> shop/web (v1)  {WEB}  http  mTLS  10/s  10.0% 5xx  1.0% 4xx  p95 98ms",
        "shop/web (v1)",
        f"  -> shop/db  {DB}  tcp  mTLS  7 opened  3 open",
        "unknown",
        f"  -> shop/web (v1)  {WEB}  http  plaintext  1.0/s  p95 98ms",
    ]


def test_the_graph_for_graphviz() -> None:
    told = run("graph", "-o", "dot").stdout.splitlines()
    assert told[0] == "digraph mesh {"
    assert '  "shop/web" [label="shop/web (v1)", shape=box];' in told
    assert r'  "shop/client" -> "shop/web" [label="http\n10/s\n10.0% 5xx\n1.0% 4xx\np95 98ms", color=red];' in told
    assert r'  "unknown" -> "shop/web" [label="http\n1.0/s\np95 98ms", style=dashed];' in told
    assert told[-1] == "}"


def test_the_graph_as_json() -> None:
    told = json.loads(run("graph", "-o", "json").stdout)
    assert [each["id"] for each in told["nodes"]] == ["shop/client", "shop/db", "shop/web", "unknown"]
    assert [each["source"] for each in told["edges"]] == ["shop/client", "shop/web", "unknown"]


def test_what_replicas_know_is_put_together() -> None:
    one = edge("shop/client", "shop/web", WEB, requests=10, rate=1.0, errors_5xx=5, in_flight=0.5, overloaded=2)
    other = edge("shop/client", "shop/web", WEB, requests=30, rate=3.0, security="none", in_flight=2.0, overloaded=1)
    other["durations"] = [0.0, 30.0]
    [both] = put_together([graph(one), graph(other)]).edges
    signals = both["signals"]
    assert (signals["requests"], signals["rate"], signals["error_share"]) == (40, 4.0, 0.125)
    assert (signals["p50_ms"], signals["p95_ms"]) == (pytest.approx(0.83), 90.0)
    assert (signals["in_flight"], signals["overloaded"]) == (2.5, 3)
    assert both["security"] == "none"


def test_what_is_no_control_plane() -> None:
    class Older:
        name = "old"

        def get(self, path: str) -> tuple[int, bytes]:
            return 404, b""

        def post(self, path: str) -> tuple[int, bytes]:
            raise AssertionError(path)

    with pytest.raises(Failure, match="old is no control plane of plait: it has no /debug/telemetry/graph"):
        traffic(ControlPlane((Older(),)), 60, "")


def test_cells() -> None:
    assert [milliseconds(each) for each in (None, 0.0, 4.83, 120.4, 1340.0)] == ["", "0ms", "4.8ms", "120ms", "1.3s"]
    assert [per_second(each) for each in (0.049, 1.24, 12.4)] == ["0.05", "1.2", "12"]
    assert [percent(1, 8), percent(0, 0)] == ["12.5%", ""]
    assert [size(each) for each in (0, 999, 1200, 3.4e6, 5e9)] == ["0B", "999B", "1.2KB", "3.4MB", "5.0GB"]
