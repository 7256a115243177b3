"""Why a request failed, in few words."""

from __future__ import annotations

from typing import Any

import pytest
import urllib3

from xds.cli.failure import in_short


def test_a_refused_connection_is_told_without_urls() -> None:
    with urllib3.PoolManager(retries=False) as pool, pytest.raises(urllib3.exceptions.HTTPError) as refused:
        pool.request("GET", "http://127.0.0.1:1/version")
    assert in_short(refused.value) == "[Errno 111] Connection refused"


@pytest.mark.parametrize("error", [ValueError("some text"), OSError(13, "denied")])
def test_other_errors_are_told_whole(error: Any) -> None:
    assert in_short(error) == str(error)
