"""Work that is done again: when told, after a while, later while it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from kubernetes.client.exceptions import ApiException
from structlog.testing import capture_logs
from urllib3.exceptions import MaxRetryError

from xds.controllers import rounds
from xds.controllers.rounds import Rounds, reason
from xds.events import Event

HOUR = timedelta(hours=1)


class Work:
    """Counts, and fails as it is told."""

    def __init__(self) -> None:
        self.done: asyncio.Queue[int] = asyncio.Queue()
        self.count = 0
        self.error: Callable[[], Exception] | None = None

    async def __call__(self) -> None:
        self.count += 1
        self.done.put_nowait(self.count)
        if self.error is not None:
            raise self.error()


async def test_it_is_done_at_once_and_when_told() -> None:
    work = Work()
    some = Rounds(work, HOUR, Event.WEBHOOK_BUNDLE_NOT_PATCHED)
    running = asyncio.create_task(some.run())
    assert await work.done.get() == 1
    some.changed()
    assert await work.done.get() == 2
    running.cancel()


async def test_news_of_while_it_works_is_not_lost() -> None:
    work = Work()
    some = Rounds(work, HOUR, Event.WEBHOOK_BUNDLE_NOT_PATCHED)

    async def once() -> None:
        await work()
        if work.count == 1:
            some.changed()

    some = Rounds(once, HOUR, Event.WEBHOOK_BUNDLE_NOT_PATCHED)
    running = asyncio.create_task(some.run())
    assert await work.done.get() == 1
    assert await work.done.get() == 2
    running.cancel()


async def test_it_is_done_after_a_while() -> None:
    work = Work()
    running = asyncio.create_task(Rounds(work, timedelta(0), Event.WEBHOOK_BUNDLE_NOT_PATCHED).run())
    for wanted in (1, 2, 3):
        assert await work.done.get() == wanted
    running.cancel()


async def test_a_failure_is_logged_once_and_waited_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "_FIRST_S", 0.001)
    work = Work()
    work.error = lambda: ApiException(status=503, reason="busy")
    with capture_logs() as logs:
        running = asyncio.create_task(Rounds(work, HOUR, Event.WEBHOOK_BUNDLE_NOT_PATCHED).run())
        for wanted in (1, 2, 3):
            assert await work.done.get() == wanted
        work.error = lambda: ConnectionResetError("gone")
        while len(logs) < 2:
            await work.done.get()
        work.error = None
        running.cancel()
    assert [each["reason"] for each in logs] == [
        "503: busy",
        "the API server cannot be reached: ConnectionResetError: gone",
    ]


async def test_a_bug_is_not_hidden() -> None:
    work = Work()
    work.error = lambda: ZeroDivisionError("x")
    with pytest.raises(ZeroDivisionError):
        await Rounds(work, HOUR, Event.WEBHOOK_BUNDLE_NOT_PATCHED).run()


def test_reasons_are_one_line() -> None:
    error = ApiException(status=403, reason="Forbidden")
    error.body = '{\n  "message": "no"\n}'
    assert reason(error) == '403: { "message": "no" }'
    unreachable = MaxRetryError(None, "/api", ConnectionRefusedError("no"))  # type: ignore[arg-type]
    assert "cannot be reached" in reason(unreachable)
