"""``plait remote-clusters`` against a server that answers like a control plane."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner, Result

from tests.unit.cli.scripted import scripted
from xds.cli.plait import app


def told(**clusters: str) -> dict[str, Any]:
    found = {
        name: {"secret": f"istio-system/{name}", "status": status, "why": "no route" if status == "timeout" else ""}
        for name, status in clusters.items()
    }
    return {"kubernetes": {"kinds": {}}, "remote clusters": {"clusters": found}}


def run(document: object, *options: str) -> Result:
    with scripted({"*": [document]}) as address:
        return CliRunner().invoke(app(), ["remote-clusters", "--http", address, *options])


def test_each_cluster_is_told_of() -> None:
    result = run(told(west="synced", north="syncing"))
    assert result.exit_code == 0, result.output
    lines = [line.split()[:3] for line in result.stdout.splitlines()]
    assert lines[0] == ["NAME", "SECRET", "STATUS"]
    assert lines[1:] == [["north", "istio-system/north", "syncing"], ["west", "istio-system/west", "synced"]]


def test_one_that_cannot_be_read_is_a_finding() -> None:
    result = run(told(west="timeout"), "-o", "json")
    assert result.exit_code == 1
    assert '"why": "no route"' in result.stdout


def test_there_may_be_none() -> None:
    assert run({"kubernetes": {"kinds": {}}}).exit_code == 0
