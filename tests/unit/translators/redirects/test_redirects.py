"""Reading redirects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.translators.route_policies import Read
from xds.model.policy import Answering
from xds.translators.redirects import Redirect


@pytest.mark.parametrize(
    ("redirect", "findings"),
    [
        ({"uri": "/"}, []),
        ({"redirectCode": 302}, ["redirect: redirects.empty"]),
        ({"scheme": "HTTP"}, ["redirect.scheme: redirects.scheme"]),
        ({"authority": "a\0"}, ["redirect.authority: redirects.value"]),
        ({"derivePort": "FROM_REQUEST_PORT"}, []),
        ({"authority": "a", "derivePort": "FROM_REQUEST_PORT"}, ["redirect.derivePort: redirects.request-port?"]),
    ],
)
def test_findings(redirect: dict[str, Any], findings: list[str]) -> None:
    assert Read({"redirect": redirect}).findings == findings


def test_nothing_is_rewritten() -> None:
    read = Read({"redirect": {"uri": "/"}, "rewrite": {"uri": "/"}})
    assert read.findings == ["redirect: redirects.with-rewrite"]


@pytest.mark.parametrize(
    ("scheme", "port", "spelled"), [("https", 443, 0), ("http", 80, 0), ("https", 80, 80), ("", 443, 443)]
)
def test_a_scheme_knows_its_port(scheme: str, port: int, spelled: int) -> None:
    assert Read({"redirect": {"scheme": scheme, "port": port}}).only(Redirect).port == spelled


def test_it_is_an_answer() -> None:
    policies = Read({"redirect": {"uri": "/"}}).policies
    assert [policy.answers for policy in policies.that(Answering)] == [True]
