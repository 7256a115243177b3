"""What follows from what several control planes see."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xds.model.refs import ObjectRef
from xds.rollout.decision import Decision, Said, Verdict, Wish, decoded, encoded, kept, said_of, said_text
from xds.rollout.judge import Call
from xds.rollout.lead import Round, allotted, decided, judged
from xds.rollout.progress import Phase, Plan
from xds.rollout.sight import MOST_STREAMS, Figures, Sight
from xds.rollout.signals import TCP, TOTAL, Counts

RULE = ObjectRef("networking.istio.io", "DestinationRule", "shop", "web")
OTHER = ObjectRef("networking.istio.io", "DestinationRule", "other", "web")
PLAN = Plan(watch_s=60)
NEW = Round(7, ((RULE, "v"),), 100.0)
HOST = "web.shop.svc.cluster.local"
A = Sight(7, 30, (False, False, False, "b"))
B = Sight(7, 10, (False, False, False, "a"))


def after(known: Round, sights: dict[str, Sight], now: float, *expected: str) -> Round:
    return decided(known, sights, expected, PLAN, now)[0]


def phase(known: Round) -> Phase | None:
    return None if known.progress is None else known.progress.phase


def test_it_waits_for_all_and_not_for_ever() -> None:
    assert after(NEW, {"a": A}, 101.0, "a", "b") == NEW
    assert after(NEW, {"a": A, "b": replace(B, number=6)}, 101.0, "a", "b") == NEW
    assert phase(after(NEW, {"a": A}, 120.0, "a", "b")) is Phase.ACKNOWLEDGING
    assert after(NEW, {}, 119.0) == NEW


def test_it_goes_to_one_proxy_of_the_mesh_then_to_a_share_of_each_then_to_all() -> None:
    known = after(NEW, {"a": A, "b": B}, 101.0, "a", "b")
    assert known.given == {"b": 1}  # whose first proxy is the first of the mesh
    assert known.progress is not None
    assert known.progress.steps == 3
    there = {"a": A, "b": replace(B, step=0, moved=1, acknowledged=True)}
    known = after(known, there, 102.0)
    assert phase(known) is Phase.WATCHING
    known = after(known, there, 162.0)
    assert known.given == {"a": 1, "b": 1}
    there = {name: replace(each, step=1, moved=1, acknowledged=True) for name, each in there.items()}
    known = after(after(known, there, 163.0), there, 224.0)
    assert known.last
    assert phase(known) is Phase.ACKNOWLEDGING
    there["a"] = replace(there["a"], step=2, moved=30)
    assert phase(after(known, there, 225.0)) is Phase.ACKNOWLEDGING, "the other has not moved them yet"
    there["b"] = replace(there["b"], step=2, moved=10)
    known = after(after(known, there, 226.0), there, 287.0)
    assert phase(known) is Phase.PROMOTED


def test_nobody_is_affected() -> None:
    assert phase(after(NEW, {"a": Sight(7), "b": Sight(7)}, 101.0, "a", "b")) is Phase.PROMOTED


@pytest.mark.parametrize("step", [-1, 0])
def test_the_trouble_of_one_ends_it(step: int) -> None:
    known = after(NEW, {"a": A, "b": B}, 101.0) if step == 0 else NEW
    ended = after(known, {"a": replace(A, troubles=("a pod is not ready any more",)), "b": B}, 102.0)
    assert ended.progress is not None
    assert (ended.progress.phase, ended.progress.reason) == (Phase.ABORTED, "a pod is not ready any more")


def test_who_does_not_follow_ends_it() -> None:
    known = after(NEW, {"a": A, "b": B}, 101.0)
    assert phase(after(known, {"a": A, "b": B}, 220.0)) is Phase.ACKNOWLEDGING
    ended = after(known, {"a": A, "b": B}, 222.0)
    assert ended.progress is not None
    assert ended.progress.reason == "b did not follow"


def test_when_the_cohort_is_gone_others_take_its_place() -> None:
    known = after(NEW, {"a": A, "b": B}, 101.0)
    watched = after(known, {"a": A, "b": replace(B, step=0, moved=1, acknowledged=True)}, 102.0)
    moved = after(watched, {"a": replace(A, affected=40)}, 110.0)
    assert moved.given == {"a": 1}
    assert phase(moved) is Phase.ACKNOWLEDGING


def test_when_all_are_gone_there_is_nothing_to_wait_for() -> None:
    known = after(NEW, {"a": A, "b": B}, 101.0)
    gone = {"a": Sight(7), "b": Sight(7, step=0, acknowledged=True)}
    assert phase(after(known, gone, 102.0)) is Phase.WATCHING
    assert phase(after(known, {}, 102.0)) is Phase.WATCHING


def test_shares() -> None:
    places = {name: (False, False, False, name) for name in "abc"}
    assert allotted(1, {"a": 5, "b": 50, "c": 5}, {}, places) == {"a": 1}
    assert allotted(1, {"a": 5, "b": 50}, {"b": 1}, places) == {"b": 1}
    assert allotted(10, {"a": 20, "b": 80, "c": 100}, {"a": 1}, places) == {"a": 1, "b": 4, "c": 5}
    assert allotted(3, {"a": 1, "b": 1, "c": 1}, {}, places) == {"a": 1, "b": 1, "c": 1}


def test_a_change_of_what_is_counted_is_not_missed() -> None:
    told = Figures({}, 2, {HOST: Counts(200)}, {}, {HOST: Counts(300)}, {HOST: Counts(600)})
    assert judged(told).call is Call.ABORT
    assert judged(told, counts_itself=True).call is Call.WAIT
    told = Figures({HOST + TCP: Counts(50, 0, 50)}, 2, {HOST + TCP: Counts(50)})
    assert judged(told).reason == f"connections to {HOST + TCP}: 100.0% fail (50 of 50), elsewhere 0.0%"
    assert judged(told, counts_itself=True).call is Call.WAIT


def test_changes_of_several_namespaces_that_come_back_are_tried_one_by_one() -> None:
    several = Round(7, ((RULE, "v"), (OTHER, "w")), 100.0)
    assert several.ended(Phase.ABORTED, "100% fail", 1.0).one_by_one
    assert not several.ended(Phase.ABORTED, "aborted by hand", 1.0).one_by_one
    assert not several.ended(Phase.PROMOTED, "", 1.0).one_by_one
    assert not NEW.ended(Phase.ABORTED, "100% fail", 1.0).one_by_one


def test_a_decision_is_read_as_it_was_written() -> None:
    known = replace(after(NEW, {"a": A, "b": B}, 101.0), alike=("x",))
    for each in (NEW, known, known.ended(Phase.ABORTED, "it failed", 3.0), None):
        verdicts = {RULE: Verdict("v", Phase.ABORTED, "it failed"), OTHER: Verdict("w", Phase.PROMOTED, "")}
        made = Decision(7, "a", each, verdicts)
        assert decoded(encoded(made), 5.0).said == made.said


def test_what_is_said_is_small_and_read_as_it_was_written() -> None:
    buckets = tuple((limit, 3) for limit in (1.0, 10.0, float("inf")))
    streams = {f"{n}.shop.svc.cluster.local": Counts(n, 1, 2, buckets) for n in range(500)}
    sight = Sight(7, 500, (False, True, False, "x"), 1, 3, True, ("t" * 9000,), ("a",), Figures(streams, 3, streams))
    text = said_text(Said(sight, (Wish(Phase.PROMOTED, RULE, "v", "promoted by hand"),)))
    assert len(text) < 20_000
    found = said_of(text)
    assert found.wishes == (Wish(Phase.PROMOTED, RULE, "v", "promoted by hand"),)
    assert found.sight is not None
    assert len(found.sight.figures.cohort) == MOST_STREAMS
    busiest = "499.shop.svc.cluster.local"
    assert found.sight.figures.cohort[busiest] == streams[busiest]
    assert TOTAL not in found.sight.figures.cohort
    assert replace(found.sight, figures=sight.figures, troubles=sight.troubles) == sight


def test_verdicts_are_kept_as_long_as_they_matter() -> None:
    back, through = Verdict("v", Phase.ABORTED, "it failed"), Verdict("w", Phase.PROMOTED, "")
    assert kept({RULE: back, OTHER: through}, {RULE: "v"}, {OTHER: "w"}) == {RULE: back, OTHER: through}
    assert kept({RULE: back, OTHER: through}, {RULE: "x"}, {OTHER: "x"}) == {}
