"""``plait explain --request-id`` against a server that answers like a control plane."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from tests.unit.cli.scripted import scripted
from xds.cli.past_request import once_more
from xds.cli.plait import app

POLICY = {"object": "AuthorizationPolicy shop/no", "rule": 0, "origin": "a.yaml:3"}
REFUSAL: dict[str, Any] = {
    "number": 1,
    "time": "2026-11-21T20:00:00+00:00",
    "kind": "refused",
    "stage": "DENY",
    "why": "a rule of a DENY policy matches",
    "from": {
        "label": "shop/client",
        "namespace": "shop",
        "pod": "client",
        "address": "10.0.0.1",
        "principal": "spiffe://cluster.local/ns/shop/sa/client",
        "proven": True,
    },
    "to": {
        "label": "shop/web",
        "namespace": "shop",
        "pod": "web-v1",
        "address": "10.0.0.2",
        "principal": "",
        "proven": False,
    },
    "request": "GET web/admin",
    "answer": "403",
    "method": "GET",
    "host": "web",
    "path": "/admin",
    "port": 8080,
    "request_id": "abc",
    "policies": [POLICY],
}


def run(*arguments: str, refusals: tuple[Any, ...] = (REFUSAL,), failures: tuple[Any, ...] = (), files: Path) -> Result:
    where = ("-f", str(files))
    answers = {"/debug/audit": [{"refusals": list(refusals)}], "/debug/failures": [{"failures": list(failures)}]}
    with scripted(answers) as http:
        return CliRunner().invoke(app(), ["explain", "--http", http, *where, *arguments])


def manifests(tmp_path: Path) -> Path:
    file = tmp_path / "a.yaml"
    file.write_text("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n")
    return file


def test_what_was_decided_then(tmp_path: Path) -> None:
    result = run("--request-id", "abc", files=manifests(tmp_path))
    assert result.exit_code == 1, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "REFUSED: GET web/admin was answered with 403 at 2026-11-21T20:00:00+00:00"
    assert "shop/client pod client 10.0.0.1, spiffe://cluster.local/ns/shop/sa/client (proven)" in lines[1]
    assert "DENY: a rule of a DENY policy matches" in lines[3]
    assert "AuthorizationPolicy shop/no rule 0 (a.yaml:3)" in lines[4]
    assert "what would become of it now cannot be told" in result.stderr, "there are no such pods any more"


def test_as_json(tmp_path: Path) -> None:
    result = run("--request-id", "abc", "-o", "json", files=manifests(tmp_path))
    assert json.loads(result.stdout) == {"refusals": [REFUSAL], "failures": [], "now": None}


def test_one_that_is_not_known(tmp_path: Path) -> None:
    for refusals in ((), ({**REFUSAL, "request_id": "other"},)):
        result = run("--request-id", "abc", refusals=refusals, files=manifests(tmp_path))
        assert result.exit_code == 2
        assert "nobody knows a request 'abc'" in result.stderr


MESH = """
{apiVersion: v1, kind: Pod, metadata: {name: client, namespace: shop}, spec: {containers: [{name: app, image: x}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: api-1, namespace: shop, labels: {app: api}}
spec: {containers: [{name: app, image: x}]}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: shop}
spec: {hosts: [api], http: [{route: [{destination: {host: api}}], timeout: 0.5s}]}
"""
TIMED_OUT: dict[str, Any] = {
    "reporter": "shop/client",
    "inbound": False,
    "times": 3,
    "first": 1_795_300_000.0,
    "last": 1_795_300_060.0,
    "latest": [
        {
            "when": "2026-11-21T20:00:00+00:00",
            "status": 504,
            "flags": ["UT"],
            "details": "response_timeout",
            "duration_ms": 501,
            "attempts": 1,
            "dialled": "10.96.0.1:80",
            "upstream": "10.0.0.2:8080",
            "upstream_pod": "shop/api-1",
            "cluster": "outbound|80||api.shop.svc.cluster.local",
            "method": "GET",
            "host": "api",
            "path": "/slow",
            "request_id": "abc",
        }
    ],
}


def test_one_that_failed(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(MESH)
    result = run("--request-id", "abc", refusals=(), failures=(TIMED_OUT,), files=file)
    assert result.exit_code == 1, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "FAILED: GET api/slow ended with 504 UT at 2026-11-21T20:00:00+00:00"
    assert lines[1] == "  by    shop/client, whose call it was"
    why = next(line for line in lines if "504 UT: " in line)
    assert "its route has a timeout of 0.5s, and 10.0.0.2:8080 (Pod shop/api-1) took longer" in why
    assert f"[VirtualService shop/api spec.http[0].timeout]  {file}:" in why
    as_json = json.loads(
        run("--request-id", "abc", "-o", "json", refusals=(), failures=(TIMED_OUT,), files=file).stdout
    )
    assert as_json["failures"] == [TIMED_OUT]
    (lately,) = as_json["now"]["lately"]
    assert [each["object"] for each in lately["by"]] == ["VirtualService shop/api", "Pod shop/api-1"]
    assert (lately["times"], lately["requestId"], lately["durationMs"]) == (3, "abc", 501)


def test_neither_a_call_nor_an_id(tmp_path: Path) -> None:
    result = run("shop/web", files=manifests(tmp_path))
    assert result.exit_code == 2
    assert "say who calls whom" in result.stderr


def test_what_can_be_asked_again() -> None:
    asked = once_more(REFUSAL)
    assert asked is not None
    assert (asked.source, asked.destination, asked.path) == ("shop/client", "shop/web-v1:8080", "/admin")
    outsider = once_more({**REFUSAL, "from": {**REFUSAL["from"], "pod": ""}})
    assert outsider is not None
    assert outsider.source == "10.0.0.1"
    assert once_more({**REFUSAL, "method": ""}) is None
    assert once_more({**REFUSAL, "to": {**REFUSAL["to"], "pod": ""}}) is None
