"""When generations are told of as traces."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

import pytest

from tests.objects import made
from tests.protocol.clients import cluster
from xds.history.history import History
from xds.model.refs import ObjectRef
from xds.server import Answer, Node
from xds.server.batch import Batch
from xds.setting_values import SettingError
from xds.settings import Settings
from xds.slices import at_once
from xds.tracing import traces
from xds.tracing.span import Span
from xds.tracing.traces import Traces
from xds.wire.resource import ResourceSet, Table
from xds.wire.type_urls import CLUSTER

POD = ObjectRef("", "Pod", "shop", "web-0")
SETS = [ResourceSet({CLUSTER: (Table([cluster(name)]),)}) for name in ("a", "b")]


def published(history: History, *groups: str) -> None:
    """A generation that proxies of these groups are told of."""
    plain = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop"}, "spec": {}}
    at_once(history.begin([(POD, made(plain))], {POD}))
    at_once(history.made({POD: 0.0}))
    for group in groups:
        history.told(group, *SETS, connected=True)
    history.published()


def test_a_change_is_told_of_when_the_last_proxy_has_answered() -> None:
    history, told = History(), list[Span]()
    Traces(history, told.append)
    published(history, "p-1#aa", "p-2#bb")
    history.on_written("p-1#aa", CLUSTER, 1000, (0.0, 0.0))
    history.on_written("p-3#cc", CLUSTER, 1000, (0.0, 0.0))
    history.on_converged("p-1#aa", 0.1)
    assert not told
    history.on_nack(Node("p-2"), Answer(CLUSTER, Batch(), "no good"))
    history.on_converged("p-2#bb", 0.2)
    (root,) = told
    assert root.error == "refused by a proxy: no good"
    wanted = {"plait.proxies": 2, "plait.nacks": 1, "plait.bytes": 1000, "plait.responses": 1}
    assert {name: root.attributes[name] for name in wanted} == wanted
    assert [each.name for each in root.below[-1].happened] == ["ack", "last ack", "nack"]


def test_a_change_that_concerns_nobody_is_told_of_at_once() -> None:
    history, told = History(), list[Span]()
    Traces(history, told.append)
    published(history)
    assert [each.error for each in told] == [""]


def test_what_a_source_took_to_read_is_of_the_change_that_is_made_of_it() -> None:
    history, told = History(), list[Span]()
    Traces(history, told.append)
    history.reading([POD], None)
    published(history)
    history.reading([POD], 5.0)
    published(history)
    published(history)
    assert [[each.began for each in root.below if each.name == "read"] for root in told] == [[], [5.0], []]


async def test_proxies_that_do_not_answer_are_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "_LOOK_S", 0.01)
    monkeypatch.setattr(traces, "_PATIENCE", timedelta(0))
    history, told = History(), list[Span]()
    running = asyncio.create_task(Traces(history, told.append).run())
    published(history, "p-1#aa")
    async with asyncio.timeout(10):
        while not told:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.01)
    history.on_converged("p-1#aa", 0.1)
    assert [each.error for each in told] == ["1 proxies have not answered"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_is_open_at_the_end_is_told_of() -> None:
    history, told = History(), list[Span]()
    running = asyncio.create_task(Traces(history, told.append).run())
    published(history, "p-1#aa")
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(told) == 1


def test_nothing_is_imported_where_nobody_takes_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "xds.tracing.otlp", raising=False)
    history = History()
    assert traces.work(Settings(), history) == {}
    assert not history.begun
    with pytest.raises(SettingError, match=r"plait\[tracing\]"):
        traces.work(Settings(otlp="http://127.0.0.1:4317"), history)
