"""``plait proxy-status`` against a server that answers like a control plane."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from typer.testing import CliRunner, Result

from tests.unit.cli.scripted import scripted
from xds.cli.plait import app


def proxy(name: str, **states: str) -> dict[str, Any]:
    began = (datetime.now(UTC) - timedelta(days=3, hours=2, minutes=20)).isoformat()
    types = {
        kind: {
            "state": state.replace("_", " "),
            "version": "v1",
            "since": began,
            "resources": 2,
            "rejected": [{"name": "80", "reason": "duplicate domain *"}] if state == "REJECTED" else [],
        }
        for kind, state in states.items()
    }
    return {
        "proxy": f"sidecar~10.0.0.1~{name}.shop~shop.svc.cluster.local",
        "name": name,
        "namespace": "shop",
        "workload": "",
        "cluster": "Kubernetes",
        "envoy": "1.40.0",
        "connected_since": began,
        "types": types,
    }


GOOD = proxy("good-0", cds="SYNCED", lds="SYNCED", eds="SYNCED", rds="SYNCED", vhds="SYNCED")
STALE = proxy("stale-0", cds="SYNCED", rds="STALE")
BAD = proxy("bad-0", cds="SYNCED", rds="REJECTED")


def status(document: object, *arguments: str) -> Result:
    with scripted({"*": [document]}) as where:
        return CliRunner().invoke(app(), ["proxy-status", "--http", where, *arguments])


def test_a_line_a_proxy() -> None:
    result = status([GOOD])
    assert result.exit_code == 0, result.output
    heading, line = result.stdout.splitlines()
    assert heading.split() == ["NAME", "CLUSTER", "CDS", "LDS", "EDS", "RDS", "VHDS", "ECDS", "SDS", "VERSION", "SINCE"]
    synced = ["SYNCED"] * 5
    assert line.split() == ["good-0.shop", "Kubernetes", *synced, *["NOT", "SENT"] * 2, "1.40.0", "3d2h"]


def test_stale_and_rejected_are_findings() -> None:
    for bad in (STALE, BAD):
        assert status([GOOD, bad]).exit_code == 1
        assert status([GOOD, bad], "-o", "json").exit_code == 1
    assert status([GOOD, BAD], "good-0").exit_code == 0


def test_one_proxy_in_detail() -> None:
    result = status([GOOD, BAD], "bad-0.shop")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith(
        "bad-0.shop  sidecar~10.0.0.1~bad-0.shop~shop.svc.cluster.local  Envoy 1.40.0, connected"
    )
    assert lines[1].split() == ["TYPE", "STATE", "RESOURCES", "VERSION", "SINCE"]
    assert lines[3].split() == ["rds", "REJECTED", "2", "v1", "3d2h"]
    assert lines[4] == "rds 80 was rejected: duplicate domain *"


def test_json_is_the_whole_record() -> None:
    assert json.loads(status([GOOD, BAD], "-o", "json").stdout) == [GOOD, BAD]
    assert json.loads(status([GOOD, BAD], "bad-0", "-o", "json").stdout) == BAD


def test_istioctls_word_for_a_table() -> None:
    assert status([GOOD], "-o", "short").stdout.splitlines()[0].startswith("NAME ")


def test_replicas_are_named_where_there_are_several() -> None:
    heading, line = status([{**GOOD, "replica": "pod istio-system/istiod-0 port 15014"}]).stdout.splitlines()
    assert heading.endswith("CONTROL PLANE")
    assert line.endswith("istiod-0 port 15014")


def test_a_namespace_filters() -> None:
    assert json.loads(status([GOOD], "-n", "other", "-o", "json").stdout) == []


def test_an_unknown_proxy() -> None:
    result = status([GOOD], "god-0")
    assert result.exit_code == 2
    assert "no 'god-0' is running; did you mean: good-0.shop" in result.stderr


def test_a_server_that_is_no_control_plane() -> None:
    result = status({"hello": "world"})
    assert result.exit_code == 2
    assert "is no control plane of plait" in result.stderr
