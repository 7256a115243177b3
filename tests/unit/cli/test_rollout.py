"""``plait rollout`` and its pages: what is told of rollouts, and what decides."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from xds.cli import rollout
from xds.cli.control_plane import ControlPlane

WEB = {"object": "VirtualService shop/web", "group": "networking.istio.io", "kind": "VirtualService"}
WEB |= {"namespace": "shop", "name": "web"}
DENY = {"object": "AuthorizationPolicy shop/deny", "group": "security.istio.io", "kind": "AuthorizationPolicy"}
DENY |= {"namespace": "shop", "name": "deny"}
ROLLING = {
    "objects": [WEB],
    "phase": "watching",
    "step": 1,
    "steps": 3,
    "reason": "",
    "proxies": 1,
    "affected": 40,
    "judgement": "continue",
    "why": "",
    "requests": 310,
}


class Replica:
    """A control plane in which WEB rolls out and DENY came back; ``posted`` is what it was told."""

    def __init__(self, name: str = "a", rolling: dict[str, Any] = ROLLING) -> None:
        self.name = name
        self.rolling = rolling
        self.posted: list[str] = []

    def get(self, path: str) -> tuple[int, bytes]:
        held = [
            {**WEB, "state": "rolling out", "reason": ""},
            {**DENY, "state": "aborted", "reason": "requests to the workload itself: 100.0% are refused"},
        ]
        return 200, json.dumps({"rollout": self.rolling, "held": held, "ended": []}).encode()

    def post(self, path: str) -> tuple[int, bytes]:
        self.posted.append(path)
        return 200, json.dumps([DENY if "deny" in path else WEB]).encode()


@pytest.fixture
def replica(monkeypatch: pytest.MonkeyPatch) -> Replica:
    found = Replica()
    monkeypatch.setattr(rollout, "control_plane", lambda where: ControlPlane((found,)))
    return found


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(rollout.app, list(arguments))
    return result.exit_code, result.output


def test_status_says_what_rolls_out_and_what_came_back(replica: Replica) -> None:
    code, text = run("status")
    assert code == 1
    told = [line.split("   ") for line in text.splitlines()]
    assert [part.strip() for part in told[1] if part.strip()] == [
        "VirtualService shop/web",
        "rolling out",
        "1 of 3",
        "1 of 40",
        "watching: 310 requests, no harm so far",
    ]
    assert "AuthorizationPolicy shop/deny" in text
    assert "100.0% are refused" in text


def test_status_of_several_control_planes_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    leads, follows = Replica(), Replica("b", {**ROLLING, "judgement": None, "proxies": 0, "affected": 60})
    monkeypatch.setattr(rollout, "control_plane", lambda where: ControlPlane((follows, leads)))
    _, text = run("status", "vs/web")
    (line,) = text.splitlines()[1:]
    assert "1 of 100" in line
    assert "310 requests" in line


def test_status_of_one_object(replica: Replica) -> None:
    assert run("status", "vs/web")[0] == 0
    assert "deny" not in run("status", "virtualservice/web.shop")[1]
    assert "web" not in run("status", "deny")[1]


def test_status_for_programs(replica: Replica) -> None:
    told: dict[str, Any] = json.loads(run("status", "-o", "json")[1])
    assert told["a"]["rollout"]["affected"] == 40


def test_what_rolls_out_now_is_meant_where_nothing_is_named(replica: Replica) -> None:
    assert run("promote") == (0, "VirtualService shop/web: let through to all proxies\n")
    assert run("abort") == (0, "VirtualService shop/web: taken back\n")
    assert replica.posted == ["/debug/rollouts/promote", "/debug/rollouts/abort"]


def test_an_object_is_named_by_kind_and_name(replica: Replica) -> None:
    assert run("promote", "authorizationpolicy/deny") == (
        0,
        "AuthorizationPolicy shop/deny: let through to all proxies\n",
    )
    assert replica.posted == [
        "/debug/rollouts/promote?group=security.istio.io&kind=AuthorizationPolicy&namespace=shop&name=deny"
    ]
    assert run("abort", "vs/other")[0] != 0
