"""``plait analyze``: what it prints, its exit status, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from xds.cli.plait import app

GOOD = """\
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews, namespace: shop}
spec:
  selector: {matchLabels: {app: reviews}}
  template:
    metadata: {labels: {app: reviews, version: v1}}
    spec: {containers: [{name: reviews, image: plait/echo}]}
"""
WARNING = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: reviews
  subsets:
  - name: v2
    labels: {version: v2}
"""
ERROR = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - route:
    - destination: {host: reviews}
    retries: {attempts: -1}
"""


def analyze(*arguments: str) -> Result:
    return CliRunner().invoke(app(), ["analyze", *arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


def test_nothing_wrong(folder: Path) -> None:
    result = analyze("-f", str(folder))
    assert (result.exit_code, result.stdout) == (0, "no problems found\n")
    assert analyze("-f", str(folder), "-o", "json").stdout == "[]\n"


def test_an_error_is_a_line_with_its_place_and_status_1(folder: Path) -> None:
    (folder / "bad.yaml").write_text(ERROR)
    result = analyze("-f", str(folder))
    assert result.exit_code == 1
    line, summary = result.stdout.splitlines()
    assert line == (
        f"{folder}/bad.yaml:9: error: VirtualService shop/reviews spec.http[0].retries.attempts: "
        "must be a whole number of at least 0, is -1 [field.integer]"
    )
    assert summary == "found 1 error"


def test_json_has_exactly_the_promised_keys(folder: Path) -> None:
    (folder / "bad.yaml").write_text(ERROR)
    result = analyze(str(folder), "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == [
        {
            "level": "error",
            "code": "field.integer",
            "object": "VirtualService shop/reviews",
            "field": "spec.http[0].retries.attempts",
            "message": "must be a whole number of at least 0, is -1",
            "origin": f"{folder}/bad.yaml:9",
        }
    ]


def test_a_subset_is_held_against_the_pods_that_deployments_would_run(folder: Path) -> None:
    (folder / "rule.yaml").write_text(WARNING)
    result = analyze(str(folder))
    assert result.exit_code == 0
    assert "rule.yaml:8: warning: DestinationRule shop/reviews spec.subsets[0].labels: no endpoint" in result.stdout
    assert result.stdout.endswith("found 1 warning\n")
    assert analyze(str(folder), "--failure-threshold", "warning").exit_code == 1
    assert analyze(str(folder), "--output-threshold", "error").stdout == "no problems found\n"


@pytest.mark.parametrize(
    "suppression", ["field.integer=VirtualService reviews.shop", "field.*=VirtualService *", "*=* *.shop"]
)
def test_suppressed(folder: Path, suppression: str) -> None:
    (folder / "bad.yaml").write_text(ERROR)
    result = analyze(str(folder), "-S", suppression)
    assert (result.exit_code, result.stdout) == (0, "no problems found\n")


def test_a_suppression_of_something_else_changes_nothing(folder: Path) -> None:
    (folder / "bad.yaml").write_text(ERROR)
    assert analyze(str(folder), "-S", "field.integer=VirtualService other.shop").exit_code == 1


def test_a_suppression_that_is_none(folder: Path) -> None:
    result = analyze(str(folder), "-S", "nonsense")
    assert result.exit_code == 2
    assert "--suppress 'nonsense' must be CODE=KIND NAME.NAMESPACE" in result.stderr


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01\xff", b"kind: [", b"kind: Nonsense\napiVersion: v1\nmetadata: {name: x}\n", b"- 1\n"]
)
def test_whatever_a_file_holds_there_is_no_traceback(folder: Path, content: bytes) -> None:
    (folder / "odd.yaml").write_bytes(content)
    result = analyze(str(folder))
    assert result.exit_code == (1 if b"found 1 error" in result.stdout.encode() else 0), result.output
    assert "Traceback" not in result.output
    assert not result.stderr


PATCHED = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: slow, namespace: shop}
spec:
  configPatches:
  - applyTo: CLUSTER
    match: {context: SIDECAR_OUTBOUND, cluster: {service: reviews.shop.svc.cluster.local}}
    patch: {operation: MERGE, value: {connect_timeout: -1s}}
"""


def test_what_envoy_s_rules_refuse_is_found(folder: Path) -> None:
    (folder / "patched.yaml").write_text(PATCHED)
    found = analyze(str(folder), "-o", "json")
    assert found.exit_code == 1
    (error,) = (each for each in json.loads(found.stdout) if each["level"] == "error")
    assert (error["code"], error["object"]) == ("envoy.refused", "EnvoyFilter shop/slow")
    assert error["origin"].endswith("patched.yaml:5")
    assert "connect_timeout" in error["message"]


def test_only_files_can_be_proven() -> None:
    found = analyze("--prove")
    assert found.exit_code != 0
    assert "--prove" in found.output + found.stderr
