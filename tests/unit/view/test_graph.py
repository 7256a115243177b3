"""Recorded reads: what is made again, and what is not."""

from __future__ import annotations

import pytest

from xds.model.refs import ObjectRef
from xds.model.service import Service
from xds.model.snapshot import Input, Snapshot, Table
from xds.view.graph import Graph, Read, call

A = Input(Table.HOST, "a")
B = Input(Table.HOST, "b")


def service(name: str, created: str = "") -> Service:
    return Service(ObjectRef("", "Service", "shop", name), name, "shop", (), created=created)


def age(read: Read, host: str) -> str:
    found = read.first(Table.HOST, host)
    return found.created[:4] if found is not None else ""


def both(read: Read) -> str:
    return f"{read.get(age, 'a')} {read.get(age, 'b')}"


def hosts(read: Read) -> tuple[str, ...]:
    return read.keys(Table.HOST)


def start() -> tuple[Graph, Snapshot]:
    snapshot, _ = Snapshot().changed({A: (service("a", "2024-1"),), B: (service("b", "2025-1"),)})
    return Graph(snapshot), snapshot


def test_a_value_is_made_once_until_what_it_read_changes() -> None:
    graph, snapshot = start()
    assert graph.get(call(both)) == "2024 2025"
    made = graph.made
    assert graph.get(call(both)) == "2024 2025"
    assert graph.made == made

    after, inputs = snapshot.changed({A: (service("a", "2023-1"),)})
    assert graph.advance(after, inputs) == {call(age, "a"), call(both)}
    assert graph.get(call(both)) == "2023 2025"
    assert graph.made == made + 2, "b's age was not looked at again"


def test_an_equal_value_stops_the_wave_and_keeps_its_identity() -> None:
    graph, snapshot = start()
    before = graph.get(call(both))
    made = graph.made
    after, inputs = snapshot.changed({A: (service("a", "2024-2"),)})
    graph.advance(after, inputs)
    assert graph.get(call(both)) is before
    assert graph.made == made + 1


def test_a_key_that_comes_changes_who_reads_it_and_who_lists_the_table() -> None:
    graph, snapshot = start()
    assert graph.get(call(age, "c")) == ""
    assert graph.get(call(hosts)) == ("a", "b")
    after, inputs = snapshot.changed({Input(Table.HOST, "c"): (service("c", "2026"),)})
    graph.advance(after, inputs)
    assert graph.get(call(age, "c")) == "2026"
    assert graph.get(call(hosts)) == ("a", "b", "c")


def test_an_equal_row_is_no_change() -> None:
    _, snapshot = start()
    after, inputs = snapshot.changed({A: (service("a", "2024-1"),)})
    assert not inputs
    assert after.rows(*A) is snapshot.rows(*A)


def test_released_values_and_what_only_they_read_are_forgotten() -> None:
    graph, _ = start()
    graph.get(call(both))
    graph.get(call(age, "a"))
    assert len(graph) == 3
    graph.release(call(both))
    assert len(graph) == 1, "a's age is still kept for its own sake"
    graph.release(call(age, "a"))
    assert len(graph) == 0
    assert not graph.readers


def broken_a(read: Read) -> str:
    found = age(read, "a")
    if found == "2000":
        raise ValueError(found)
    return found


def asking(read: Read) -> str:
    return f"{read.get(age, 'b')} {read.get(broken_a)}"


def test_a_maker_whose_child_raised_is_made_again_when_the_child_may_no_longer_raise() -> None:
    graph, snapshot = start()
    assert graph.get(call(asking)) == "2025 2024"
    broken, inputs = snapshot.changed({A: (service("a", "2000"),), B: (service("b", "2026"),)})
    graph.advance(broken, inputs)
    for _ in range(2):
        with pytest.raises(ValueError, match="2000"):
            graph.get(call(asking))
    mended, inputs = broken.changed({A: (service("a", "2024"),)})
    assert call(asking) in graph.advance(mended, inputs)
    assert graph.get(call(asking)) == "2026 2024", "nothing of before is left"
    graph.release(call(asking))
    assert len(graph) == 0
    assert not graph.readers


def test_a_maker_that_never_succeeded_is_made_when_it_can_be() -> None:
    snapshot, _ = Snapshot().changed({A: (service("a", "2000"),), B: (service("b", "2025-1"),)})
    graph = Graph(snapshot)
    with pytest.raises(ValueError, match="2000"):
        graph.get(call(asking))
    mended, inputs = snapshot.changed({A: (service("a", "2024"),)})
    assert call(asking) in graph.advance(mended, inputs)
    assert graph.get(call(asking)) == "2025 2024"


def test_provenance_is_every_object_that_was_looked_at() -> None:
    graph, _ = start()
    graph.get(call(both))
    assert {ref.name for ref in graph.provenance(call(both))} == {"a", "b"}


def beside(read: Read) -> str:
    return f"{read.get(age, 'a')} {read.aside(age, 'b')}"


def test_what_is_read_aside_decides_but_is_no_author() -> None:
    graph, snapshot = start()
    assert graph.get(call(beside)) == "2024 2025"
    assert {ref.name for ref in graph.provenance(call(beside))} == {"a"}
    after, inputs = snapshot.changed({B: (service("b", "2030"),)})
    graph.advance(after, inputs)
    assert graph.get(call(beside)) == "2024 2030"
