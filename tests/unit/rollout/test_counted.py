"""Signals from proxies' metrics: what is added up for whom, and what is told of which time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from xds.model.proxy import Proxy
from xds.rollout.counted import CLOSED, DURATIONS, NAMES, OPENED, REQUESTS, SENT, Both, PerProxy, Under
from xds.rollout.signals import INBOUND, TCP, TOTAL, Counts, Known
from xds.slices import Slices, at_once

WEB = Proxy("sidecar~10.0.0.1~web.shop~x", namespace="shop", name="web")
HOST = "api.shop.svc.cluster.local"


@dataclass(frozen=True)
class Series:
    name: str
    labels: Mapping[str, str]
    bounds: tuple[float, ...] = ()


@dataclass
class Value:
    count: float
    lie_below: Sequence[int] = ()

    def below(self) -> Sequence[int]:
        return self.lie_below


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.signals = PerProxy(lambda: self.now)

    def told(self, count: int, code: str = "200", proxy: Proxy = WEB, reporter: str = "source", **more: str) -> None:
        labels = {"reporter": reporter, "response_code": code, "destination_service": HOST, **more}
        under = self.signals.under(proxy, Series(REQUESTS, labels))
        assert under is not None
        self.signals.counted(proxy, [(under, Value(count))])

    def since(self, stream: str = HOST) -> tuple[int, int, int]:
        found = self.signals.since([WEB]).get(stream, Counts())
        return found.requests, found.refused, found.failed


def test_requests_count_by_what_came_of_them() -> None:
    world = World()
    world.signals.begin()
    world.told(10)
    world.told(3, "503")
    world.told(2, "403")
    world.told(1, "200", request_protocol="grpc", grpc_response_status="14")
    world.told(1, "200", request_protocol="grpc", grpc_response_status="5")
    world.told(7, reporter="destination")
    assert world.since() == (17, 3, 4)
    assert world.since(INBOUND) == (7, 0, 0)


def test_since_and_before() -> None:
    world = World()
    world.told(5)
    world.now = 160.0
    world.told(10)  # a mark was made before this
    world.now = 200.0
    world.signals.begin()
    world.told(1, "503")
    assert world.since() == (1, 0, 1)
    assert world.signals.before([WEB])[HOST].requests == 10
    world.signals.begin()
    assert world.since() == (0, 0, 0)


def test_the_same_proxy_that_says_otherwise_how_it_speaks_is_the_same() -> None:
    world = World()
    world.signals.begin()
    world.told(4, proxy=Proxy(WEB.id, namespace="shop", name="web", vhds=False))
    assert world.since() == (4, 0, 0)


def test_durations_go_into_buckets() -> None:
    world = World()
    world.signals.begin()
    labels = {"reporter": "source", "destination_service": HOST}
    under = world.signals.under(WEB, Series(DURATIONS, labels, (10.0, 100.0, 1000.0)))
    assert under is not None
    world.signals.counted(WEB, [(under, Value(10, (4, 9, 9)))])
    found = world.signals.since([WEB])[HOST]
    assert {limit: count for limit, count in found.buckets if count} == {10.0: 4, 100.0: 5, float("inf"): 1}


def test_what_is_no_standard_metric_does_not_count() -> None:
    signals = World().signals
    assert signals.under(WEB, Series("other", {"reporter": "source"})) is None
    assert signals.under(WEB, Series(REQUESTS, {"reporter": "waypoint"})) is None


def test_proxies_that_are_gone_are_forgotten() -> None:
    world = World()
    world.told(5)
    world.now = 1000.0
    other = Proxy("other", namespace="shop")
    world.told(1, proxy=other)
    world.signals.begin()
    world.told(1)
    assert world.since() == (1, 0, 0)


def test_who_was_forgotten_and_comes_again_has_counted_nothing_less_than_nothing() -> None:
    world = World()
    world.told(500)
    world.signals.begin()
    world.now = 1000.0
    world.told(1, proxy=Proxy("other", namespace="shop"))  # a mark: what was silent is forgotten
    world.told(20)
    assert world.since() == (0, 0, 0)


@pytest.mark.parametrize(
    ("said", "stream"),
    [
        (HOST, HOST),
        ("", "unknown"),
        ("*", "unknown"),
        ("*.example.com", "*.example.com"),
        ("a\x1b[2Jb\n", "a?[2Jb?"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_hosts_are_what_a_proxy_says_and_made_fit_to_be_shown(said: str, stream: str) -> None:
    labels = {"reporter": "source", "destination_service": said}
    assert World().signals.under(WEB, Series(REQUESTS, labels)) == Under(stream)


def test_the_total_of_who_invents_hosts_weighs_no_more_than_that_of_others() -> None:
    world = World()
    world.signals.begin()
    honest = [Proxy(f"web-{n}", namespace="shop") for n in range(4)]
    for each in honest:
        world.told(100, "503", proxy=each)
    for n in range(400):
        world.told(1_000_000, destination_service=f"{n}.example.com")
    assert world.signals.since([*honest, WEB])[TOTAL].requests == 700
    assert world.signals.since([*honest, WEB])[TOTAL].failed == 400


def test_a_namespace_that_invents_proxies_and_hosts_fills_its_own_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.rollout.counted._MOST_PROXIES", (3, 100))
    monkeypatch.setattr("xds.rollout.counted._MOST_ROWS", (5, 100))
    world = World()
    world.signals.begin()
    liars = [Proxy(f"liar-{n}", namespace="bad") for n in range(9)]
    for liar in liars:
        for n in range(4):
            world.told(1, proxy=liar, destination_service=f"{n}.example.com")
    told = [world.signals.since([liar]).get(TOTAL, Counts()).requests for liar in liars]
    assert told == [4, 1, 0, 0, 0, 0, 0, 0, 0]
    world.told(7)
    assert world.since() == (7, 0, 0)
    world.now = 1000.0
    world.told(1)  # the others are gone: there is room again
    world.told(2, proxy=liars[-1])
    assert world.signals.since(liars[-1:])[TOTAL].requests == 2


class First:
    names = frozenset({REQUESTS, "bytes"})

    def __init__(self) -> None:
        self.got: list[Any] = []

    def under(self, proxy: Proxy, series: Series) -> str | None:
        return f"mine: {series.name}"

    def counted(self, proxy: Proxy, counted: Sequence[Any], dropped: int) -> Slices[None]:
        self.got += [(under, value.count) for under, value in counted]
        yield


def test_two_sinks_are_one() -> None:
    world, first = World(), First()
    both = Both(first, world.signals)
    assert both.names == {*NAMES, "bytes"}
    world.signals.begin()
    labels = {"reporter": "source", "destination_service": HOST, "response_code": "200"}
    for name in (REQUESTS, "bytes"):
        at_once(both.counted(WEB, [(both.under(WEB, Series(name, labels)), Value(3))], 0))  # type: ignore[list-item]
    assert first.got == [(f"mine: {REQUESTS}", 3), ("mine: bytes", 3)]
    assert world.since() == (3, 0, 0)


def test_connections_that_end_without_an_answer_have_failed() -> None:
    world = World()
    world.signals.begin()

    def told(opened: int, closed: int, sent: int, **more: str) -> None:
        labels = {"reporter": "source", "request_protocol": "tcp", "destination_service": HOST, **more}
        counts = {OPENED: opened, CLOSED: closed, SENT: sent}
        unders = [(world.signals.under(WEB, Series(name, labels)), Value(count)) for name, count in counts.items()]
        world.signals.counted(WEB, [(under, value) for under, value in unders if under is not None])

    told(5, 4, 1000)
    assert world.since(HOST + TCP) == (5, 0, 0)
    told(1, 1, 0)
    told(2, 2, 14)  # an alert of TLS each
    told(2, 2, 700, destination_workload="other")  # in another series, which has answered
    assert world.since(HOST + TCP) == (10, 0, 3)
    assert world.since(HOST) == (0, 0, 0)
    assert world.since(TOTAL) == (0, 0, 0)


def test_it_is_settled_when_all_have_told_twice() -> None:
    world, other = World(), Proxy("other", namespace="shop", name="other")
    world.told(1)
    world.signals.begin()
    assert not world.signals.settled([WEB])
    assert world.signals.settled([other]), "who tells nothing is not waited for"
    world.now = 3.0
    world.told(1)
    world.told(1)  # more of the same message
    assert not world.signals.settled([WEB])
    world.now = 13.0
    world.told(1)
    assert world.signals.settled([WEB, other])
    world.signals.begin()
    assert not world.signals.settled([WEB, other])
    world.now += 20.0
    assert world.signals.settled([WEB, other]), "who has nothing to tell is silent"
    world.told(1)
    assert not world.signals.settled([WEB]), "of when, is not known"


def test_what_was_before_a_long_silence_is_not_what_was_lately() -> None:
    world = World()
    world.told(7)
    world.now += 200.0
    world.told(1)
    world.now += 400.0
    world.signals.begin()
    assert world.signals.before([WEB]).get(HOST, Counts()).requests == 0


def test_it_is_known_of_how_long_before_proxies_have_told() -> None:
    world, late = World(), Proxy("sidecar~10.0.0.2~late.shop~x", namespace="shop", name="late")
    world.told(1)
    world.now = 40.0
    world.told(1, proxy=late)
    world.now = 60.0
    world.signals.begin()
    assert world.signals.known([WEB]) == Known(1, 60.0)
    assert world.signals.known([late]) == Known(1, 30.0)
    assert world.signals.known([WEB]).times(world.signals.known([late])) == 2.0
    nobody = Proxy("sidecar~10.0.0.3~nobody.shop~x", namespace="shop", name="nobody")
    assert world.signals.known([nobody]).times(world.signals.known([WEB])) == 1.0
