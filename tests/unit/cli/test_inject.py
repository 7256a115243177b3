"""``plait inject``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from xds.cli.inject import app

RUN = CliRunner()
MANIFESTS = """\
# A comment.
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report}
spec: {jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: report, image: report}]}}}}}
---
kind: List
apiVersion: v1
items:
- {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}
- {apiVersion: v1, kind: Pod, metadata: {name: agent}, spec: {hostNetwork: true, containers: [{name: agent}]}}
"""


def names(pod: dict[str, Any]) -> list[str]:
    every = (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"])
    return [each["name"] for each in every]


def test_workloads_get_sidecars_and_the_rest_stays(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(MANIFESTS)
    done = RUN.invoke(app, ["-f", str(tmp_path / "all.yaml"), "--native", "--revision", "canary"])
    assert done.exit_code == 0, done.output
    deployment, job, several = yaml.safe_load_all(done.stdout)
    assert deployment["spec"]["replicas"] == 2
    assert names(deployment["spec"]["template"]) == ["istio-init", "istio-proxy", "web"]
    template = job["spec"]["jobTemplate"]["spec"]["template"]
    assert names(template) == ["istio-init", "istio-proxy", "report"]
    assert template["metadata"]["labels"]["service.istio.io/canonical-name"] == "report"
    assert "istiod-canary.istio-system.svc" in json.dumps(template)
    assert "Pod default/agent stays as it is: it is on its node's network" in done.stderr
    assert several == list(yaml.safe_load_all(MANIFESTS))[2]


def test_json_of_several_is_a_list() -> None:
    done = RUN.invoke(app, ["-f", "-", "-o", "json", "--cni"], input=MANIFESTS)
    listed = json.loads(done.stdout)
    assert listed["kind"] == "List"
    assert names(listed["items"][0]["spec"]["template"]) == ["istio-validation", "web", "istio-proxy"]
    assert "warning: Pod default/" in done.stderr


def test_errors_print_nothing() -> None:
    broken = MANIFESTS.replace("labels: {app: web}", 'annotations: {sidecar.istio.io/proxyCPU: "much"}')
    done = RUN.invoke(app, ["-f", "-"], input=broken)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "is no quantity" in done.stderr


@pytest.mark.parametrize("text", ["a: [", "\t"])
def test_no_yaml(text: str) -> None:
    assert RUN.invoke(app, ["-f", "-"], input=text).exit_code != 0
