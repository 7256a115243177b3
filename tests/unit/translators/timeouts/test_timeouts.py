"""Reading and spelling timeouts."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.translators.route_policies import Read, forwarding
from xds.translators.timeouts import DEFAULT, Timeout
from xds.translators.timeouts.envoy import route_action


def test_absent_and_zero_differ() -> None:
    assert forwarding().policies.get(Timeout) is None
    assert forwarding(timeout="0s").only(Timeout) == DEFAULT


def test_narrower_scope_wins() -> None:
    assert DEFAULT.merge(Timeout(timedelta(seconds=3))) == DEFAULT


def test_zero_is_spelled() -> None:
    action = route_action(DEFAULT)
    assert action.HasField("timeout")
    assert not action.HasField("max_stream_duration")  # with it Envoy would not heed the timeout


def test_an_answer_takes_no_time() -> None:
    plain = {"directResponse": {"status": 200}}
    assert Read({**plain, "timeout": "1s"}).findings == ["timeout: timeouts.no-effect?"]
    assert Read({**plain, "timeout": "0s"}).findings == []
