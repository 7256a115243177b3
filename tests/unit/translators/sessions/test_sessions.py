"""Sessions that a Service asks for, read and spelled."""

from __future__ import annotations

from typing import Any

import pytest

from xds.kinds.authored import ObjectMeta
from xds.model.problem import Problems
from xds.model.refs import FieldRef, ObjectRef
from xds.translators.feature import Reading
from xds.translators.sessions import envoy
from xds.translators.sessions.decode import COOKIE, HEADER, session
from xds.translators.sessions.policy import Session
from xds.wire.codec import to_plain

AT = FieldRef(ObjectRef("", "Service", "shop", "web"), ("metadata",))


def read(**metadata: dict[str, str]) -> tuple[Session | None, list[str]]:
    found = Problems()
    asked = session(ObjectMeta(name="web", **metadata), AT, Reading("shop", "cluster.local", found))  # type: ignore[arg-type]
    return asked, [f"{each.at.dotted} {each.code}" for each in found]


@pytest.mark.parametrize(
    ("metadata", "wanted"),
    [
        ({}, None),
        ({"labels": {COOKIE: "sid"}}, Session(cookie="sid")),
        ({"annotations": {COOKIE: "sid:/shop"}}, Session(cookie="sid", path="/shop")),
        ({"labels": {HEADER: "X-Session"}}, Session(header="x-session")),
        ({"labels": {HEADER: "x", COOKIE: "sid"}}, Session(cookie="sid")),
    ],
    ids=str,
)
def test_read(metadata: dict[str, Any], wanted: Session | None) -> None:
    assert read(**metadata) == (wanted, [])


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({"annotations": {COOKIE: "a b"}}, f'metadata.annotations["{COOKIE}"] session.name'),
        ({"annotations": {COOKIE: "sid:shop"}}, f'metadata.annotations["{COOKIE}"] session.path'),
        ({"labels": {HEADER: "ä"}}, f'metadata.labels["{HEADER}"] session.name'),
    ],
    ids=str,
)
def test_what_is_no_session(metadata: dict[str, Any], problem: str) -> None:
    assert read(**metadata) == (None, [problem])


def test_cookie() -> None:
    (config,) = to_plain(envoy.route(Session(cookie="sid", path="/shop")))["typed_per_filter_config"].values()
    state = config["stateful_session"]["session_state"]["typed_config"]
    assert state["cookie"] == {"name": "sid", "path": "/shop"}


def test_header() -> None:
    (config,) = to_plain(envoy.route(Session(header="x-session")))["typed_per_filter_config"].values()
    assert config["stateful_session"]["session_state"]["typed_config"]["name"] == "x-session"


def test_endpoints_on_their_way_out_keep_theirs() -> None:
    plain = to_plain(envoy.cluster(Session(cookie="sid")))
    assert "DRAINING" in plain["common_lb_config"]["override_host_status"]["statuses"]
