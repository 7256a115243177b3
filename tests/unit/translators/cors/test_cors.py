"""Reading CORS policies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.translators.route_policies import forwarding
from xds.model.route import Comparison, StringMatch
from xds.translators.cors import Cors


@pytest.mark.parametrize(
    ("policy", "findings"),
    [
        ({}, []),
        ({"allowOrigins": [{"exact": "*"}]}, []),
        ({"allowOrigins": [{"prefix": ""}]}, ["corsPolicy.allowOrigins[0]: cors.origin"]),
        ({"allowOrigins": [{"regex": ""}]}, ["corsPolicy.allowOrigins[0].regex: cors.regex"]),
        ({"allowOrigins": [{"regex": "("}]}, ["corsPolicy.allowOrigins[0].regex: cors.regex"]),
        ({"exposeHeaders": ["x", ""]}, ["corsPolicy.exposeHeaders[1]: cors.name"]),
        (
            {"allowOrigin": ["*"], "allowCredentials": True},
            ["corsPolicy.allowCredentials: cors.any-with-credentials?"],
        ),
    ],
)
def test_findings(policy: dict[str, Any], findings: list[str]) -> None:
    assert forwarding(corsPolicy=policy).findings == findings


def test_new_origins_replace_old_ones() -> None:
    read = forwarding(corsPolicy={"allowOrigin": ["old"], "allowOrigins": [{"prefix": "new"}]})
    assert read.only(Cors).origins == (StringMatch(Comparison.PREFIX, "new"),)


@pytest.mark.parametrize(("word", "forwarded"), [("UNSPECIFIED", True), ("FORWARD", True), ("IGNORE", False)])
def test_unmatched_preflights(word: str, forwarded: bool) -> None:
    assert forwarding(corsPolicy={"unmatchedPreflights": word}).only(Cors).forward_unmatched is forwarded
