"""The object store: what counts as a change, whose version counts, and that findings replace their forerunners."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from xds.model.object import Object
from xds.model.problem import Problem
from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.sources.changes import Changed, Replaced
from xds.sources.store import ObjectStore


def ref(name: str) -> ObjectRef:
    return ObjectRef("", "Service", "shop", name)


def made(name: str, content: object = "x", line: int = 1, generation: int = 0) -> Object[Any]:
    return Object(ref(name), [content], Origin("a.yaml", line), generation)


def problem(name: str) -> Problem:
    return Problem(FieldRef(ref(name)), "field.type", "is wrong")


def test_equal_content_keeps_its_identity_and_is_no_change() -> None:
    store = ObjectStore(["a"])
    assert store.apply(Replaced("a", (made("x"),))) == {ref("x")}
    before = store.get(ref("x"))
    assert store.apply(Changed("a", (made("x", line=7),))) == frozenset()
    after = store.get(ref("x"))
    assert before is not None
    assert after is not None
    assert after.struct is before.struct
    assert after.origin.line == 7
    assert after.generation == 1
    store.apply(Changed("a", (made("x", line=7),)))
    assert store.get(ref("x")) is after


def test_contents_are_counted_where_the_source_does_not() -> None:
    store = ObjectStore(["a"])
    for content in (1, 2, 2, 3):
        store.apply(Changed("a", (made("x", content),)))
    found = store.get(ref("x"))
    assert found is not None
    assert found.generation == 3
    store.apply(Changed("a", (made("x", 4, generation=40),)))
    found = store.get(ref("x"))
    assert found is not None
    assert found.generation == 40


def test_what_a_replacement_does_not_hold_is_gone_unless_kept() -> None:
    store = ObjectStore(["a"])
    store.apply(Replaced("a", (made("x"), made("y"), made("z"))))
    assert store.apply(Replaced("a", (made("x"),), kept=frozenset({ref("y")}))) == {ref("z")}
    assert [found.ref.name for found in store] == ["x", "y"]


def test_the_earlier_source_counts_and_the_other_steps_in() -> None:
    store = ObjectStore(["a", "b"])
    store.apply(Replaced("b", (made("x", "of b"),)))
    synced = [store.synced]
    assert store.apply(Replaced("a", (made("x", "of a"),))) == {ref("x")}
    synced.append(store.synced)
    assert synced == [False, True]
    assert [problem.code for problem in store.problems()] == ["object.duplicate"]
    assert store.apply(Changed("b", (made("x", "of b, newer"),))) == frozenset()
    assert store.apply(Changed("a", deletes=(ref("x"),))) == {ref("x")}
    found = store.get(ref("x"))
    assert found is not None
    assert found.struct == ["of b, newer"]


def test_findings_of_a_place_replace_its_old_ones() -> None:
    store = ObjectStore(["a"])
    store.apply(Replaced("a", (), problems={"f1": (problem("x"),), "f2": (problem("y"),)}))
    store.apply(Changed("a", problems={"f1": (), "f3": (problem("z"),)}))
    assert store.problems() == (problem("y"), problem("z"))


def test_an_unknown_delete_is_no_change() -> None:
    store = ObjectStore(["a"])
    assert store.apply(Changed("a", deletes=(ref("x"),))) == frozenset()


STEP = st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.none() | st.integers(0, 2))


@given(st.lists(STEP, max_size=30))
def test_the_store_is_the_first_source_that_has_the_object(steps: list[tuple[str, str, int | None]]) -> None:
    store, model = ObjectStore("ab"), {"a": dict[str, int](), "b": dict[str, int]()}
    for source, name, content in steps:
        before = {**model["b"], **model["a"]}
        if content is None:
            model[source].pop(name, None)
            changed = store.apply(Changed(source, deletes=(ref(name),)))
        else:
            model[source][name] = content
            changed = store.apply(Changed(source, (made(name, content),)))
        after = {**model["b"], **model["a"]}
        assert {found.ref.name: found.struct[0] for found in store} == after
        different = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        assert {each.name for each in changed} >= different
        assert len(store) == len(after)
