"""Reading and spelling direct responses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.translators.route_policies import Read
from xds.model.policy import Answering
from xds.translators.direct_responses import LONGEST_BODY, DirectResponse
from xds.translators.direct_responses.envoy import route


def read(body: dict[str, Any]) -> Read:
    return Read({"directResponse": {"status": 418, "body": body}})


def test_bodies() -> None:
    assert read({"string": "tée"}).only(DirectResponse) == DirectResponse(418, "tée".encode())
    assert read({"bytes": "/w=="}).only(DirectResponse) == DirectResponse(418, b"\xff")
    assert read({}).only(DirectResponse) == DirectResponse(418)
    assert [policy.answers for policy in read({}).policies.that(Answering)] == [True]


@pytest.mark.parametrize("text", ["/w=", "a b=", "é"])
def test_base64(text: str) -> None:
    assert read({"bytes": text}).findings == ["directResponse.body.bytes: direct-responses.base64"]


def test_longest() -> None:
    assert read({"string": "a" * LONGEST_BODY}).findings == []
    assert read({"string": "a" * (LONGEST_BODY + 1)}).findings == ["directResponse.body: direct-responses.long"]


def test_text_is_text_and_bytes_are_bytes() -> None:
    assert route(DirectResponse(200, b"text")).direct_response.body.inline_string == "text"
    assert route(DirectResponse(200, b"\xff")).direct_response.body.inline_bytes == b"\xff"
    assert not route(DirectResponse(204)).direct_response.HasField("body")
