"""What commands make of a control plane of several replicas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from xds.cli.connected import connected
from xds.cli.control_plane import ControlPlane
from xds.cli.failure import Failure, Unreachable


class Replica:
    """Pages with fixed answers; none at all when ``answers`` is None."""

    def __init__(self, name: str, answers: Mapping[str, Any] | None) -> None:
        self.name = name
        self._answers = answers

    def get(self, path: str) -> tuple[int, bytes]:
        if self._answers is None:
            raise Unreachable(f"{self.name} does not answer")
        answer = self._answers.get(path)
        return (404, b"") if answer is None else (200, json.dumps(answer).encode())

    def post(self, path: str) -> tuple[int, bytes]:
        return self.get(path)


def proxy(name: str, since: str) -> dict[str, str]:
    return {"proxy": name, "connected_since": since}


def test_every_proxy_once_where_it_came_to_last() -> None:
    first = Replica("a", {"/debug/syncz": [proxy("web", "2026-01-01T00:00:00"), proxy("db", "2026-01-01T00:00:00")]})
    second = Replica("b", {"/debug/syncz": [proxy("web", "2026-01-01T00:00:09")]})
    found = connected(ControlPlane((first, second)))
    assert [(one["proxy"], one["replica"]) for one in found] == [("db", "a"), ("web", "b")]


def test_one_replica_that_does_not_answer_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    both = ControlPlane((Replica("a", None), Replica("b", {"/debug/ca": {"phase": "steady"}, "/debug/syncz": []})))
    assert both.ask_each("/debug/ca") == {"b": {"phase": "steady"}}
    assert both.ask("/debug/ca") == {"phase": "steady"}
    assert capsys.readouterr().err.count("a does not answer") == 2


def test_none_that_answers_is_a_failure() -> None:
    both = ControlPlane((Replica("a", None), Replica("b", None)))
    with pytest.raises(Unreachable, match="a does not answer"):
        both.ask_each("/debug/ca")
    with pytest.raises(Unreachable, match="b does not answer"):
        both.ask("/debug/ca")


def test_what_is_not_there_is_none_and_no_json_is_a_failure() -> None:
    one = ControlPlane((Replica("a", {"/debug/syncz": {}}),))
    assert one.ask("/debug/ca") is None
    with pytest.raises(Failure, match="no control plane of plait"):
        connected(one)
