"""``plait history`` and ``plait rollback`` against a server that answers like a control plane."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from tests.unit.cli.scripted import scripted
from xds.cli.plait import app


def changed(name: str, what: str = "changed", **sides: Any) -> dict[str, Any]:
    known = {"object": f"VirtualService shop/{name}", "kind": "VirtualService", "what": what, "origin": "a.yaml:3"}
    return {**known, "quiet": False, "fields": ["spec.http[0].timeout changed"], **sides}


def generation(number: int, *objects: dict[str, Any], **other: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "generation": number,
        "at": (datetime.now(UTC) - timedelta(minutes=5, seconds=10 - number)).isoformat(),
        "quiet": False,
        "objects": list(objects),
        "more_objects": 0,
        "resources": {"rds": 2},
        "proxies": 3,
        "waiting": 0,
        "converged_s": 0.25,
        "nacks": [],
        "more_nacks": 0,
        "drains": [],
    }
    return {**known, **other}


def vs(name: str, timeout: str) -> dict[str, Any]:
    return {"kind": "VirtualService", "metadata": {"name": name}, "spec": {"http": [{"timeout": timeout}]}}


FIRST = generation(1, changed("v"), changed("w", "created"), changed("x"))
QUIET = generation(2, changed("p"), quiet=True)
NACK = {"proxy": "web", "type": "rds", "resource": "80", "reason": "bad", "at": ""}
THIRD = generation(3, changed("v"), waiting=2, converged_s=None, nacks=[NACK])
LIST = {"generation": 3, "generations": [FIRST, QUIET, THIRD]}
FIRST_WHOLE = generation(
    1,
    changed("v", kept=True, before=vs("v", "1s"), after=vs("v", "2s")),
    changed("w", "created", kept=True, before=None, after=vs("w", "1s")),
    {**changed("p", kept=False, before=None), "quiet": True},
)
THIRD_WHOLE = generation(3, changed("v", kept=True, before=vs("v", "2s")), changed("s", kept=False, before=None))


TRIED = {
    "objects": [{"object": "DestinationRule shop/web"}],
    "state": "stopped",
    "at": datetime.now(UTC).isoformat(),
    "ended": datetime.now(UTC).isoformat(),
    "step": 1,
    "steps": 3,
    "proxies": 1,
    "affected": 40,
    "reason": "requests to web: 90.0% fail",
}


def run(*arguments: str, rollouts: Sequence[Any] = ()) -> Result:
    pages: dict[str, list[object]] = {
        "/debug/history?generation=1": [FIRST_WHOLE],
        "/debug/history?generation=3": [THIRD_WHOLE],
        "/debug/history?generation=9": [None],
        "/debug/history?after=1": [{"generation": 3, "generations": [QUIET, THIRD]}],
        "/debug/history?after=3": [{"generation": 3, "generations": []}],
        "/debug/history?last=0": [{"generation": 3, "generations": [], "rollouts": rollouts}],
        "/debug/history": [LIST],
    }
    with scripted(pages) as where:
        return CliRunner().invoke(app(), [*arguments, "--http", where])


def test_what_rolled_out_in_steps_is_shown_with_why_it_ended() -> None:
    lines = run("history", rollouts=[TRIED, {**TRIED, "state": "trying", "reason": ""}]).stdout.splitlines()
    assert len(lines) == 5
    assert lines[3].split("  ")[0] == "-"
    assert "DestinationRule shop/web" in lines[3]
    assert "stopped, step 1 of 3: requests to web: 90.0% fail" in lines[3]
    assert "trying, step 1 of 3" in lines[4]


def test_a_line_a_generation() -> None:
    result = run("history")
    assert result.exit_code == 0, result.output
    heading, first, third = result.stdout.splitlines()
    assert heading.split("  ")[0] == "GENERATION"
    assert "VirtualService shop/v changed, VirtualService shop/w created, 1 more" in first
    assert "0.25s" in first
    assert "waiting for 2" in third
    assert len(run("history", "--all").stdout.splitlines()) == 4
    assert len(run("history", "--last", "1").stdout.splitlines()) == 2
    assert [each["generation"] for each in json.loads(run("history", "-o", "json").stdout)] == [1, 3]


def test_one_in_detail() -> None:
    result = run("history", "1")
    assert result.exit_code == 0, result.output
    assert "  VirtualService shop/v changed (a.yaml:3)\n    spec.http[0].timeout changed" in result.stdout
    assert "resources that differ: 2 rds" in result.stdout
    unknown = run("history", "9")
    assert unknown.exit_code == 2
    assert "generation 9 is not known" in unknown.stderr


def test_objects_as_they_were_before_a_generation() -> None:
    result = run("rollback", "1")
    assert result.exit_code == 0, result.output
    assert list(yaml.safe_load_all(result.stdout)) == [vs("v", "1s")]
    assert "# did not exist before, to be deleted: VirtualService shop/w" in result.stdout
    assert "VirtualService shop/v has changed again in generation 3" in result.stderr


def test_objects_as_they_were_before_all_later_ones() -> None:
    result = run("rollback", "1", "--since", "-o", "json")
    assert result.exit_code == 1, "of s nothing is known"
    assert json.loads(result.stdout) == {
        "restore": [vs("v", "1s")],
        "delete": ["VirtualService shop/w"],
        "unknown": ["VirtualService shop/s"],
    }
    assert "what VirtualService shop/s was before is not known" in result.stderr


def test_nothing_in_a_comment_becomes_a_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    told = json.loads(json.dumps(FIRST_WHOLE).replace("VirtualService shop/w", "VirtualService shop/w\\nkind: Evil"))
    monkeypatch.setitem(globals(), "FIRST_WHOLE", told)
    result = run("rollback", "1")
    assert "VirtualService shop/w kind: Evil" in result.stdout
    assert list(yaml.safe_load_all(result.stdout)) == [vs("v", "1s")]
