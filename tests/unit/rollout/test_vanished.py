"""Traffic that is missed."""

from __future__ import annotations

from dataclasses import replace

from xds.rollout.judge import Call
from xds.rollout.lead import judged
from xds.rollout.sight import Figures
from xds.rollout.signals import INBOUND, TCP, TOTAL, Counts, Known
from xds.rollout.vanished import vanished

A, B = "a.shop.svc.cluster.local", "b.shop.svc.cluster.local"
DB = "db.shop.svc.cluster.local" + TCP


def streams(**counts: int) -> dict[str, Counts]:
    names = {"a": A, "b": B, "db": DB, "unknown": "unknown", "passed": "unknown" + TCP, "inbound": INBOUND}
    return {names.get(name, name): Counts(count) for name, count in counts.items()}


def test_what_the_rest_still_has_is_missed() -> None:
    reason = vanished(streams(a=8), streams(a=300), streams(a=120), streams(a=600))
    assert reason == f"requests to {A}: 8, where 60 were to be expected as others go on"


def test_what_is_fewer_everywhere_is_not_missed() -> None:
    assert not vanished({}, streams(a=300), streams(a=40), streams(a=600))


def test_of_a_few_nothing_follows() -> None:
    assert not vanished({}, streams(a=19), streams(a=1000), streams(a=20))
    assert not vanished({}, streams(a=300), streams(a=1000), streams(a=19))


def test_what_another_host_is_asked_instead_is_not_missed() -> None:
    assert not vanished(streams(b=100), streams(a=300), streams(a=200), streams(a=600))
    before, rest = streams(a=300, b=300), streams(a=200, b=200)
    assert vanished(streams(b=100), before, rest, streams(a=600, b=600))  # b has what it always had


def test_what_goes_nowhere_known_is_missed() -> None:
    assert vanished(streams(unknown=100, passed=100), streams(a=300), streams(a=200), streams(a=600))


def test_connections_that_cannot_be_made_are_missed() -> None:
    reason = vanished(streams(a=100), streams(a=300, db=300), streams(a=200, db=200), streams(a=600, db=600))
    assert reason == f"connections to {DB}: 0, where 100 were to be expected as others go on"


def test_what_a_workload_is_asked_may_go_elsewhere() -> None:
    assert not vanished({}, streams(inbound=300), streams(inbound=200), streams(inbound=600))


def test_it_is_judged_where_nothing_fails() -> None:
    told = Figures(
        streams(unknown=100),
        2,
        streams(a=200),
        {},
        {**streams(a=300), TOTAL: Counts(300)},
        streams(a=600),
        {},
    )
    assert judged(told).call is Call.ABORT
    assert judged(replace(told, settled=False)).call is not Call.ABORT, "the cohort may not have told yet"


def test_who_came_later_has_told_less_before_and_nothing_follows() -> None:
    now, past, rest, before = streams(a=1168), streams(a=2150), streams(a=584), streams(a=290)
    assert vanished(now, past, rest, before)
    longer = Known(2, 108.0).times(Known(1, 23.0))  # as a leader died, and its proxies came to another
    assert not vanished(now, past, rest, before, longer)
    assert vanished(streams(a=100), past, rest, before, longer)
