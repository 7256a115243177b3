"""What workloads ask for, as a source: learned, shared, bounded, forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from xds.model.on_demand import Asked, AskedBy, Demand
from xds.sources import demands
from xds.sources.changes import Changed, Replaced
from xds.sources.demands import Demands

WEB = AskedBy("shop", "default", "web")
OTHER = AskedBy("shop", "default", "other")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def said(source: Demands) -> Changed:
    """What the source says next, after its beginning."""
    changes = source.changes()
    assert isinstance(await anext(changes), Replaced)
    found = await anext(changes)
    await changes.aclose()
    assert isinstance(found, Changed)
    return found


def hosts(changed: Changed) -> list[Demand]:
    return [each.struct for each in changed.upserts]


async def test_what_is_asked_for_together_is_one_change() -> None:
    source = Demands()
    source.asked(WEB, ["80/b", "80/a", "80/a:80", "nonsense"])
    source.asked(OTHER, ["81/c"])
    assert hosts(await said(source)) == [
        Demand(OTHER, (Asked(81, "c"),)),
        Demand(WEB, (Asked(80, "a"), Asked(80, "b"))),
    ]


async def test_too_much_is_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demands, "MOST_HOSTS", 3)
    source = Demands()
    source.asked(WEB, [f"80/h{number}" for number in range(10)])
    assert hosts(await said(source)) == [Demand(WEB, all=True)]


async def test_what_nobody_asked_for_in_a_long_time_is_not_sent_to_who_comes_first() -> None:
    clock = Clock()
    source = Demands(keep=timedelta(seconds=100), now=clock)
    source.came(WEB)
    source.asked(WEB, ["80/old"])
    clock.now = 60
    source.asked(WEB, ["80/new"])
    assert hosts(await said(source)) == [Demand(WEB, (Asked(80, "new"), Asked(80, "old")))]
    clock.now = 150
    source.came(WEB)  # beside another, which uses all of it
    source.left(WEB)
    source.left(WEB)
    source.came(WEB)
    assert hosts(await said(source)) == [Demand(WEB, (Asked(80, "new"),))]


async def test_workloads_that_are_not_there_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demands, "MOST_WORKLOADS", 1)
    source = Demands()
    source.came(WEB)
    source.asked(WEB, ["80/a"])
    source.asked(OTHER, ["80/b"])
    changed = await said(source)
    assert hosts(changed) == [Demand(WEB, (Asked(80, "a"),))]
    assert [ref.name for ref in changed.deletes] == ["default/other"]


def counting(clock: Clock, proxies: int = 1) -> Demands:
    """A workload of so many proxies that has asked for two hosts, one of which counts what it uses."""
    source = Demands(expiry=timedelta(seconds=100), now=clock)
    for _ in range(proxies):
        source.came(WEB)
    source.asked(WEB, ["80/a", "81/b"])
    source.counted(WEB)
    return source


async def test_what_is_not_used_expires() -> None:
    clock = Clock()
    source = counting(clock)
    clock.now = 60
    source.used(WEB, ["80/a", "80/unheard.of", "nonsense"])
    clock.now = 101
    source.used(WEB, [])
    assert hosts(await said(source)) == [Demand(WEB, (Asked(80, "a"),), turns=((81, 1),))]
    source.asked(WEB, ["81/b"])
    assert hosts(await said(source)) == [Demand(WEB, (Asked(80, "a"), Asked(81, "b")), turns=((81, 1),))]


async def test_nothing_expires_while_a_proxy_does_not_say_what_it_uses() -> None:
    clock = Clock()
    source = counting(clock, proxies=2)
    clock.now = 101
    source.used(WEB, [])
    assert hosts(await said(source)) == [Demand(WEB, (Asked(80, "a"), Asked(81, "b")))]
    source.counted(WEB)  # nobody knows what it has used before
    source.used(WEB, [])
    clock.now = 202
    source.uncounted(WEB)
    source.used(WEB, [])
    assert source.any_of(WEB)
    source.left(WEB)
    source.used(WEB, [])
    assert not source.any_of(WEB)


async def test_ports_whose_hosts_have_expired_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demands, "MOST_HOSTS", 3)
    clock = Clock()
    source = counting(clock)
    for port in range(90, 93):
        source.asked(WEB, [f"{port}/c"])
        clock.now += 101
        source.used(WEB, [])
    (found,) = hosts(await said(source))
    assert found.turns == ((90, 1), (91, 1), (92, 1))
