"""``plait diff``: what would be other, for whom, what it would cut, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from xds.cli.plait import app

MESH = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: app, image: plait/echo}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop, labels: {app: client}}
spec: {containers: [{name: app, image: plait/echo}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
"""
RULE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec: {host: web, trafficPolicy: {connectionPool: {tcp: {connectTimeout: %s}}}}
---
"""
STRICT = """\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
"""
THIRD = MESH.split("---")[1].replace("name: web", "name: third") + "---\n"
WEB = "outbound|80||web.shop.svc.cluster.local"


def diff(folder: Path, old: str, new: str, *arguments: str) -> Result:
    for name, text in (("old", old), ("new", new)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "mesh.yaml").write_text(text)
    files = ["-f", str(folder / "new"), "--against", str(folder / "old")]
    return CliRunner().invoke(app(), ["diff", *files, *arguments])


def told(folder: Path, old: str, new: str) -> Any:
    return json.loads(diff(folder, old, new, "-o", "json").stdout)


def test_the_same_is_no_difference(tmp_path: Path) -> None:
    result = diff(tmp_path, MESH, MESH)
    assert (result.exit_code, result.stdout) == (0, "nothing is other for any proxy that stays\n")


def test_a_field_is_told_with_who_changed_it(tmp_path: Path) -> None:
    result = diff(tmp_path, MESH + RULE % "1s", MESH + RULE % "2s")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    at = lines.index("shop/client")
    assert lines[at + 1 : at + 3] == [
        f"  ~ cds {WEB}  (DestinationRule shop/web)",
        "      connect_timeout: 1s -> 2s",
    ]
    assert lines[-1].endswith("of 2 proxies would be other; no connection would be cut")


def test_what_drains_is_told(tmp_path: Path) -> None:
    found = told(tmp_path, MESH, MESH + STRICT)
    (listener,) = [each for group in found["groups"] for each in group["resources"] if each["drains"]][:1]
    assert listener["objects"] == ["PeerAuthentication shop/strict"]
    assert "drain" in listener["said"]
    assert found["proxies_cut"] == 2
    assert "connections would be cut at 2 proxies" in diff(tmp_path, MESH, MESH + STRICT).stdout


def test_pods_that_come_are_told_apart(tmp_path: Path) -> None:
    found = told(tmp_path, MESH, MESH + THIRD)
    assert found["new_proxies"] == ["shop/third"]
    (resource,) = [each for group in found["groups"] for each in group["resources"]]
    assert (resource["type"], resource["name"]) == ("eds", WEB)
    assert [field["path"].rpartition("[")[0] for field in resource["fields"]] == ["endpoints[0].lb_endpoints"]


def test_an_object_with_an_error_is_a_finding(tmp_path: Path) -> None:
    bad = MESH + RULE.replace("connectTimeout: %s", "connectTimeout: soon")
    result = diff(tmp_path, MESH, bad)
    assert result.exit_code == 1
    assert result.stdout.startswith("error: ")
    assert "connectTimeout" in result.stdout


@pytest.mark.parametrize("arguments", [["-f", "/nowhere"], []])
def test_what_is_not_there_is_a_failure(tmp_path: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(app(), ["diff", *arguments, "--against", str(tmp_path)])
    assert result.exit_code == 2
