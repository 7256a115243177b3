"""The judge: tables of what a cohort and the rest tell, and what follows."""

from __future__ import annotations

import pytest

from xds.rollout.judge import Call, judge, surely_more, wilson
from xds.rollout.signals import INBOUND, Counts, Streams, capped, together, with_total

HOST = "web.shop.svc.cluster.local"


def counts(requests: int, failed: int = 0, refused: int = 0, **slow: int) -> Counts:
    """``slow`` are requests that took more than 10 ms, by ``to_250``, the limit that they took at most."""
    fast = requests - sum(slow.values())
    buckets = ((5.0, 0), (10.0, fast), (50.0, 0), (100.0, 0), (250.0, 0), (500.0, 0), (1000.0, 0))
    known = {float(name.removeprefix("to_")): count for name, count in slow.items()}
    return Counts(requests, refused, failed, tuple((limit, known.get(limit, count)) for limit, count in buckets))


@pytest.mark.parametrize(
    ("mine", "others", "call"),
    [
        # Nothing wrong, or nothing new.
        (counts(100), counts(1000), Call.CONTINUE),
        (counts(100, failed=5), counts(1000, failed=50), Call.CONTINUE),
        (counts(1000, refused=300), counts(1000, refused=300), Call.CONTINUE),
        # Too few to say anything.
        (counts(9, failed=9), counts(1000), Call.WAIT),
        (counts(100, failed=100), counts(9), Call.WAIT),
        (counts(0), counts(1000), Call.WAIT),
        # A great difference needs few requests, a small one many.
        (counts(10, failed=10), counts(100), Call.ABORT),
        (counts(20, failed=10), counts(100), Call.ABORT),
        (counts(20, failed=1), counts(1000), Call.CONTINUE),
        (counts(100, failed=2), counts(1000), Call.CONTINUE),
        (counts(2000, failed=60), counts(20000), Call.ABORT),
        (counts(100_000, failed=900), counts(100_000), Call.CONTINUE),  # certain, and less than 1 %
        # Better is not worse.
        (counts(100), counts(1000, failed=500), Call.CONTINUE),
        # Refused by a policy, or led nowhere.
        (counts(30, refused=30), counts(300), Call.ABORT),
        (counts(30, refused=30), counts(300, refused=290), Call.CONTINUE),
        # Slower: half as much again, and 50 ms.
        (counts(100, to_250=100), counts(1000), Call.ABORT),
        (counts(100, to_50=100), counts(1000), Call.CONTINUE),
        (counts(100, to_500=3), counts(1000), Call.CONTINUE),  # three may be chance
        (counts(1000, to_500=60), counts(10000), Call.ABORT),
        (counts(100, to_250=100), counts(1000, to_250=1000), Call.CONTINUE),
        (counts(100, to_1000=100), counts(1000, to_250=1000), Call.ABORT),
    ],
)
def test_a_table(mine: Counts, others: Counts, call: Call) -> None:
    assert judge({HOST: mine}, {HOST: others}, {}).call is call


def test_the_reason_says_what_where_and_how_much() -> None:
    said = judge({HOST: counts(40, failed=20)}, {HOST: counts(400, failed=4)}, {})
    assert said.reason == f"requests to {HOST}: 50.0% fail (20 of 40), elsewhere 1.0%"
    said = judge({INBOUND: counts(40, refused=40)}, {INBOUND: counts(400)}, {})
    assert said.reason == "requests to the workload itself: 100.0% are refused (40 of 40), elsewhere 0.0%"
    said = judge({HOST: counts(100, to_250=100)}, {HOST: counts(1000)}, {})
    assert said.reason == f"requests to {HOST}: p99 is 248 ms, elsewhere 10 ms"


def test_where_others_tell_too_little_the_past_is_asked() -> None:
    mine, past = {HOST: counts(50, failed=50)}, {HOST: counts(500)}
    assert judge(mine, {HOST: counts(3)}, past).call is Call.ABORT
    assert judge(mine, {HOST: counts(300, failed=300)}, past).call is Call.CONTINUE
    assert judge(mine, {}, {}).call is Call.WAIT


def test_each_stream_is_judged_by_itself() -> None:
    others = {"a": counts(10_000), "b": counts(100)}
    assert judge({"a": counts(10_000), "b": counts(20, failed=20)}, others, {}).call is Call.ABORT
    assert judge({"a": counts(10_000), "c": counts(20, failed=20)}, others, {}).call is Call.CONTINUE


def test_requests_that_are_led_nowhere_are_seen_in_the_total() -> None:
    mine, others = with_total({HOST: counts(13), INBOUND: counts(87, failed=87)}), with_total({HOST: counts(200)})
    said = judge(mine, others, {})
    assert (said.call, said.requests) == (Call.ABORT, 100)
    assert said.reason.startswith("all requests of the workload, and to it: 87.0% fail (87 of 100)")
    fine = judge(with_total({HOST: counts(20), "new": counts(20)}), others, {})
    assert (fine.call, fine.requests) == (Call.CONTINUE, 40)
    assert judge(with_total({}), {}, {}).call is Call.WAIT


@pytest.mark.parametrize(
    ("told", "weights"),
    [
        ([], []),
        ([1_000_000_000], [1_000_000_000]),  # one alone counts as it is
        ([100, 120, 90], [100, 120, 90]),
        ([100, 120, 300, 90], [100, 120, 300, 90]),  # uneven traffic is usual
        ([100, 1_000_000_000], [100, 300]),
        ([100, 110, 120, 1_000_000_000], [100, 110, 120, 330]),
        ([5, 5, 5, 1_000_000_000], [5, 5, 5, 100]),
        ([0, 0, 0, 200], [0, 0, 0, 200]),  # who tells nothing is nobody to compare with
        ([1, 80], [1, 80]),  # who tells next to nothing silences nobody
        ([10**15, 10**15, 100, 100, 100], [300, 300, 100, 100, 100]),
    ],
)
def test_nobody_weighs_much_more_than_the_median(told: list[int], weights: list[int]) -> None:
    assert [each.requests for each in capped([counts(each) for each in told])] == weights


HONEST = [{HOST: counts(100, failed=50)} for _ in range(4)]
FINE = [{HOST: counts(100)} for _ in range(4)]
MANY = 10**9


@pytest.mark.parametrize(
    ("cohort", "rest", "call"),
    [
        ([*HONEST, {HOST: counts(MANY)}], FINE, Call.ABORT),  # a liar of the cohort says that all is well
        ([HONEST[0], {HOST: counts(MANY)}], FINE, Call.ABORT),
        ([{HOST: Counts(100, 0, 50)}, {HOST: Counts(10, 0, 0, ((1.0, MANY),))}], FINE, Call.ABORT),
        (HONEST, [*FINE, {HOST: counts(MANY, failed=MANY)}], Call.CONTINUE),  # a liar of the rest has a say, 3 of 7
        ([{HOST: counts(100, failed=90)}], [*FINE, {HOST: counts(MANY, failed=MANY)}], Call.ABORT),
        (HONEST, [*HONEST, {HOST: counts(MANY)}], Call.ABORT),
        (FINE, [*FINE, {HOST: counts(MANY)}], Call.CONTINUE),
        ([{HOST: counts(MANY, failed=MANY // 2)}], FINE, Call.ABORT),  # a cohort of one
        ([{HOST: counts(20, failed=20)}], FINE, Call.ABORT),
        ([{HOST: counts(20)}], FINE, Call.CONTINUE),
        ([{HOST: counts(100, to_500=100)}] * 3 + [{HOST: counts(MANY)}], FINE, Call.ABORT),  # slower
    ],
)
def test_a_liar_among_honest_ones(cohort: list[Streams], rest: list[Streams], call: Call) -> None:
    assert judge(together(cohort), together(rest), {}).call is call


def test_fewer_have_the_same_shares() -> None:
    many = Counts(1000, 100, 10, ((1.0, 300), (10.0, 690), (float("inf"), 10)))
    assert many.at_most(100) == Counts(100, 10, 1, ((1.0, 30), (10.0, 69), (float("inf"), 1)))
    assert many.at_most(1000) == many
    assert Counts(10, 1, 1, ((1.0, 10**9), (2.0, 10**9))).at_most(100) == Counts(10, 1, 1, ((1.0, 50), (2.0, 50)))


def test_intervals() -> None:
    low, high = wilson(0.5, 100, 1.96)
    assert (round(low, 3), round(high, 3)) == (0.404, 0.596)
    assert round(wilson(0.0, 10, 3)[0], 9) == 0.0
    # Newcombe 1998, table II, example (a): 56/70 and 48/80, 95 %: 0.0524 to 0.3339.
    assert round(surely_more(56, 70, 48, 80, 1.959964), 4) == 0.0524


def test_sums_and_quantiles() -> None:
    summed: Streams = together([{"a": counts(10)}, {"a": counts(30, failed=1), "b": counts(1)}])
    assert (summed["a"].requests, summed["a"].failed, summed["b"].requests) == (40, 1, 1)
    assert summed["a"].timed == 40
    assert Counts().quantile(0.99) is None
    assert Counts(10, buckets=((float("inf"), 10),)).quantile(0.5) == 0.0
    assert Counts(4, buckets=((10.0, 2), (20.0, 2))).quantile(0.75) == 15.0
    assert Counts(4, buckets=((10.0, 2), (20.0, 2))).slower_than(15.0) == 1.0
    assert Counts(4, buckets=((10.0, 2), (float("inf"), 2))).slower_than(10.0) == 2.0


def test_connections_that_never_had_answers_are_usual() -> None:
    stream = "db.shop.svc.cluster.local (TCP)"
    silent, well = {stream: Counts(100, failed=100)}, {stream: Counts(100)}
    assert judge(silent, well, well).call is Call.ABORT
    assert judge(silent, well, {}).call is Call.ABORT
    assert judge(silent, well, silent).call is Call.CONTINUE
