"""Reading and spelling retries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.translators.route_policies import Read, forwarding
from xds.translators.retries import DEFAULT, INBOUND_DEFAULT, RetryPolicy
from xds.translators.retries.decode import GRPC_CONDITIONS, HTTP_CONDITIONS
from xds.translators.retries.envoy import route_action


@pytest.mark.parametrize(
    ("retries", "findings"),
    [
        ({"attempts": 2, "retryOn": "5xx, reset ,,503"}, []),
        ({"attempts": 2, "retryOn": "5XX"}, ["retries.retryOn: retries.unknown-condition"]),
        ({"attempts": 2, "retryOn": "-1"}, ["retries.retryOn: retries.unknown-condition"]),
        ({"attempts": 2, "retryOn": "199"}, ["retries.retryOn: retries.status-code"]),
        ({"attempts": 2, "retryOn": "٥٠٣"}, ["retries.retryOn: retries.unknown-condition"]),
        ({"attempts": 0}, []),
        ({}, []),
        ({"retryOn": "5xx"}, ["retries.attempts: retries.off?"]),
        ({"attempts": 1, "perTryTimeout": "3s"}, ["retries.perTryTimeout: retries.longer-than-timeout?"]),
    ],
)
def test_findings(retries: dict[str, Any], findings: list[str]) -> None:
    assert forwarding(retries=retries, timeout="2s").findings == findings


def test_no_timeout_is_shorter_than_none() -> None:
    assert forwarding(retries={"attempts": 1, "perTryTimeout": "3s"}, timeout="0s").findings == []


def test_absent_block_leaves_the_default_in_force() -> None:
    assert Read({"redirect": {"uri": "/"}}).policies.get(RetryPolicy) is None


@given(st.lists(st.sampled_from([*HTTP_CONDITIONS, *GRPC_CONDITIONS, "503", "200", " 429 "])))
def test_order_and_repetition_do_not_matter(words: list[str]) -> None:
    policy = forwarding(retries={"attempts": 1, "retryOn": ",".join(words)}).only(RetryPolicy)
    again = forwarding(retries={"attempts": 1, "retryOn": ",".join(reversed(words * 2))}).only(RetryPolicy)
    assert policy == again
    assert ("retriable-status-codes" in policy.on) == bool(policy.statuses or "retriable-status-codes" in words)


@given(st.text())
def test_any_text_is_read(retry_on: str) -> None:
    forwarding(retries={"attempts": 1, "retryOn": retry_on})


def test_narrower_scope_wins_whole() -> None:
    own = RetryPolicy(attempts=0)
    assert own.merge(RetryPolicy(attempts=9, backoff=timedelta(seconds=1))) == own


def test_defaults_try_again_only_what_nobody_executed() -> None:
    outbound, inbound = route_action(DEFAULT).retry_policy, route_action(INBOUND_DEFAULT).retry_policy
    assert outbound.retry_on == "connect-failure,refused-stream,reset-before-request"
    assert inbound.retry_on == "reset-before-request"
    assert not inbound.retry_host_predicate
    assert not inbound.host_selection_retry_max_attempts


def test_off_says_nothing() -> None:
    assert not route_action(RetryPolicy(attempts=0)).ListFields()
