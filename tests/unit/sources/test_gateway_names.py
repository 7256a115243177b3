"""Names of gateways: looked up when they are wanted, again from time to time, and kept while nobody answers."""

from __future__ import annotations

import socket
import threading
from contextlib import aclosing
from datetime import timedelta

import pytest

from tests.objects import applied
from xds.decoders.build import Builder
from xds.model.network import GatewayName
from xds.model.snapshot import Table
from xds.sources.changes import Changed, Replaced
from xds.sources.gateway_names import GatewayNames

AT_ONCE = timedelta(milliseconds=1)


class Resolver:
    """Answers of a name server; those that have none are errors."""

    def __init__(self, **answers: tuple[str, ...]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, name: str) -> tuple[str, ...]:
        self.asked.append(name)
        if name not in self.answers:
            raise OSError("no such name")
        return self.answers[name]


async def test_names_are_looked_up_in_threads_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """While no name server answers, what else is done in threads goes on."""
    threads: list[str] = []

    def told(*_: object, **__: object) -> list[tuple[object, ...]]:
        threads.append(threading.current_thread().name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", told)
    names = GatewayNames()
    names.want(["door.example.com"])
    async with aclosing(names.changes()) as changes:
        await anext(changes)
        found = await anext(changes)
    assert isinstance(found, Changed)
    assert rows(found) == {"door.example.com": ("192.0.2.7",)}
    assert [each.rpartition("_")[0] for each in threads] == ["gateway-names"]


async def test_what_is_no_name_at_all_is_not_found() -> None:
    names = GatewayNames(refresh=AT_ONCE)
    names.want(["door\0.example.com", "192.0.2.8"])
    async with aclosing(names.changes()) as changes:
        await anext(changes)
        found = await anext(changes)
    assert isinstance(found, Changed)
    assert list(rows(found)) == ["192.0.2.8"]


def rows(told: Changed) -> dict[str, tuple[str, ...]]:
    """What the objects of a change make of names."""
    snapshot = applied(Builder(), told.upserts).snapshot
    found: dict[str, GatewayName] = {
        name: snapshot.rows(Table.GATEWAY_NAME, name)[0] for name in snapshot.keys(Table.GATEWAY_NAME)
    }
    return {name: each.addresses for name, each in found.items()}


async def test_names_come_when_they_are_wanted_and_go_when_they_are_not() -> None:
    names = GatewayNames(Resolver(one=("192.0.2.1",), two=("192.0.2.2", "192.0.2.3")), timedelta(hours=1))
    async with aclosing(names.changes()) as changes:
        assert await anext(changes) == Replaced(names.name, ())
        names.want(["one", "two"])
        told = await anext(changes)
        assert isinstance(told, Changed)
        assert rows(told) == {"one": ("192.0.2.1",), "two": ("192.0.2.2", "192.0.2.3")}
        names.want(["two"])
        gone = await anext(changes)
        assert isinstance(gone, Changed)
        assert (gone.upserts, [ref.name for ref in gone.deletes]) == ((), ["one"])


async def test_a_name_that_is_not_found_any_more_keeps_its_addresses() -> None:
    resolver = Resolver(one=("192.0.2.1",))
    names = GatewayNames(resolver, AT_ONCE)
    async with aclosing(names.changes()) as changes:
        await anext(changes)
        names.want(["one"])
        await anext(changes)
        resolver.answers = {"two": ("192.0.2.2",)}
        names.want(["one", "two"])
        told = await anext(changes)
        assert isinstance(told, Changed)
        assert (rows(told), told.deletes) == ({"two": ("192.0.2.2",)}, ())
        assert resolver.asked.count("one") > 1
