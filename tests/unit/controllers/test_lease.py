"""A lease as its contenders see it, with clocks that differ by an hour."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from xds.controllers.lease import Lease

LASTS = timedelta(seconds=10)


class Answer:
    """What ``kubernetes.client.ApiClient.call_api`` answers."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.reason = ""
        self.data = json.dumps(body).encode()
        self.headers: dict[str, str] = {}

    def read(self) -> bytes:
        return self.data


class OneObject:
    """An API server that holds one object; writes are refused unless they name its resourceVersion."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] | None = None
        self.version = 0

    def param_serialize(self, **request: Any) -> tuple[Any, ...]:
        return (request["method"], request["body"])

    def call_api(self, method: str, body: dict[str, Any] | None, **_: Any) -> Answer:
        if method == "GET":
            return Answer(404, {}) if self.stored is None else Answer(200, self.stored)
        assert body is not None
        known = self.stored["metadata"]["resourceVersion"] if self.stored else None
        if body["metadata"].get("resourceVersion") != known:
            return Answer(409, {})
        self.version += 1
        self.stored = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return Answer(200, self.stored)


def lease(api: OneObject, identity: str) -> Lease:
    return Lease(api, "istio-system", "plait-leader", identity, LASTS, timeout_s=1.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("xds.controllers.lease.time.monotonic", lambda: now[0])
    return now


def test_a_record_whose_times_are_of_yesterday_holds_while_it_changes(clock: list[float]) -> None:
    api = OneObject()
    one, other = lease(api, "one"), lease(api, "other")
    assert one.hold()
    for _ in range(5):
        assert api.stored is not None
        api.stored["spec"]["renewTime"] = f"2001-01-01T00:00:00.{clock[0]:06.0f}Z"  # as a clock that is off says
        assert not other.hold()
        clock[0] += 9.0
        assert other.expires_in_s() == 1.0
    clock[0] += 1.0
    assert other.hold()
    assert other.holder == "other"
    assert not one.hold(), "the first has lost it"


def test_a_lease_that_was_given_up_or_deleted_is_free(clock: list[float]) -> None:
    api = OneObject()
    one, other = lease(api, "one"), lease(api, "other")
    assert one.hold()
    assert not other.hold()
    one.release()
    assert other.hold()
    assert not one.hold()
    api.stored = None
    assert other.hold()
    assert clock


def test_of_two_that_write_at_once_one_wins(clock: list[float]) -> None:
    api = OneObject()
    one, other = lease(api, "one"), lease(api, "other")
    assert one.hold()
    assert not other.hold()
    clock[0] += 11.0
    assert one.hold(), "late, but nobody was faster"
    assert not other.hold(), "it sees the renewal, which its clock counts from now"
