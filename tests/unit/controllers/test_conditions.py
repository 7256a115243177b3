"""What conditions say, and that nobody else's are touched."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from xds.controllers.conditions import Condition, conditions, merged, prefix_of, read, says, stated
from xds.controllers.live_count import LiveCount, RejectedBy
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef

REF = ObjectRef("networking.istio.io", "VirtualService", "shop", "reviews")
NOW = "2026-11-21T10:00:00Z"


def problem(code: str = "field.integer", severity: Severity = Severity.ERROR) -> Problem:
    return Problem(FieldRef(REF, ("spec", "http", 0)), code, "must be a whole number", severity)


def said(*found: Condition) -> list[tuple[str, bool, str, str, int]]:
    return [(each.type, each.true, each.reason, each.message, each.generation) for each in found]


def test_a_good_object() -> None:
    found = conditions([], LiveCount(2, 3, (), 4), generation=4)
    assert said(*found) == [("Accepted", True, "Accepted", "", 4), ("Live", False, "Waiting", "Live 2 of 3", 4)]
    assert said(*conditions([], LiveCount(3, 3, (), 4), generation=4))[1] == (
        "Live",
        True,
        "AllProxies",
        "Live 3 of 3",
        4,
    )
    assert said(*conditions([], LiveCount(0, 0, (), 4), generation=4))[1][1:4] == (True, "NoProxies", "Live 0 of 0")


def test_warnings_are_told_of_what_is_accepted() -> None:
    found = conditions([problem("a.b", Severity.WARNING), problem("c.d", Severity.INFO)], None, generation=1)
    assert said(*found) == [("Accepted", True, "Accepted", "spec.http[0]: must be a whole number [a.b]", 1)]


def test_a_refused_object_has_all_codes_and_the_prefix_of_its_revision() -> None:
    found = conditions([problem("b"), problem("a"), problem("b")], LiveCount(0, 0), prefix=prefix_of("canary"))
    assert [(each.type, each.true, each.reason) for each in found] == [
        ("canary.plait/Accepted", False, "a,b"),
        ("canary.plait/Live", False, "NotAccepted"),
    ]


def test_what_is_refused_and_used_by_nobody_is_not_live() -> None:
    (_, live) = conditions([problem("a")], LiveCount(0, 0, (), 4), generation=4)
    assert (live.true, live.reason, live.message, live.generation) == (False, "NotAccepted", "Live 0 of 0", 4)
    (_, live) = conditions([problem("a")], LiveCount(2, 2, (), 4), generation=4)
    assert (live.true, live.reason) == (True, "AllProxies")  # a finding beside it, and proxies that have the rest


def test_those_that_rejected_are_named_a_few_of_many() -> None:
    rejections = tuple(RejectedBy(f"web-{n}.shop", "no", "r") for n in range(5))
    (_, live) = conditions([], LiveCount(0, 9, rejections, 1), generation=1)
    assert live.message == ("Live 0 of 9; rejected by web-0.shop: no; web-1.shop: no; web-2.shop: no; and by 2 more")
    (_, live) = conditions([], LiveCount(0, 1, (RejectedBy("w", "x" * 10_000, "r"),), 1), generation=1)
    assert len(live.message) <= 2000


foreign = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["Reconciled", "Programmed", "x.plait/Live"]), "status": st.text()})
)
ours = st.builds(
    Condition,
    st.sampled_from(["Accepted"]),
    st.booleans(),
    st.sampled_from(["r", "s"]),
    st.sampled_from(["", "m"]),
    st.integers(0, 3),
)


@given(foreign, ours, ours, st.integers(1, 3))
def test_others_stay_ours_are_written_once_and_turn_only_with_their_status(
    others: list[dict[str, Any]], first: Condition, second: Condition, generation: int
) -> None:
    one = merged(others, (first,), generation, NOW)
    assert one is not None
    assert [each for each in one if each["type"] != "Accepted"] == others
    assert merged(one, (first,), generation, "later") is None
    assert merged([_pruned(each) for each in one], (first,), generation, "later") is None, "as some schemas have it"
    two = merged(one, (second,), generation, "later")
    if two is not None:
        (mine,) = [each for each in two if each["type"] == "Accepted"]
        assert mine["lastTransitionTime"] == (NOW if first.true == second.true else "later")
        assert [each for each in two if each["type"] != "Accepted"] == others


def _pruned(condition: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in condition.items() if key != "observedGeneration"}


def test_what_others_have_written_into_a_status_is_read_without_trust() -> None:
    garbage: list[Any] = [
        {},
        {"status": None},
        {"status": []},
        {"status": {"conditions": "Accepted"}},
        {"status": {"conditions": [1, None, "Accepted", {"type": ["Accepted"]}, {"status": "True"}]}},
    ]
    assert [stated(each) for each in garbage] == [[], [], [], [], []]
    wanted = Condition("Accepted", True, "Accepted", "", 3)
    odd: dict[str, Any] = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}
    numbers: list[Any] = ["three", [], {}, 10**30, True, "3"]
    for observed in numbers:
        (kept,) = stated({"status": {"conditions": [{**odd, "observedGeneration": observed}]}})
        hash(read(kept))
        assert says(kept, wanted, 3) is (observed == "3")
        assert (merged([kept], (wanted,), 3, NOW) is None) is (observed == "3")
    hash(read({"type": "Accepted", "reason": {}, "message": []}))


def test_what_a_proxy_says_moves_no_cursor() -> None:
    (_, live) = conditions([], LiveCount(0, 1, (RejectedBy("web.shop", "no\x1b[2J\u202e", "r"),), 1), generation=1)
    assert live.message == "Live 0 of 1; rejected by web.shop: no?[2J?"
