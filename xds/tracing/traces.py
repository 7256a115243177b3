"""Every generation is told as a trace when the last proxy has answered, or when that has taken too long."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from xds.history.generation import Generation
from xds.history.history import History
from xds.setting_values import SettingError
from xds.settings import Settings
from xds.tracing.span import Span, trace

if TYPE_CHECKING:
    from xds.tracing.otlp import Otlp

_LOOK_S: Final = 5.0
_PATIENCE: Final = timedelta(minutes=1)


def work(settings: Settings, history: History) -> dict[str, Coroutine[Any, Any, None]]:
    """What is to run for traces of ``history``, by name; nothing where ``settings`` name nobody who takes them.

    Errors: SettingError where OpenTelemetry is not installed.
    """
    if not settings.otlp:
        return {}
    try:
        from xds.tracing.otlp import Otlp  # it takes a fifth of a second, and memory
    except ImportError as error:
        raise SettingError(f"otlp needs what pip install 'plait[tracing]' installs: {error}") from None
    otlp = Otlp(settings.otlp, settings.pod_name or socket.gethostname())
    return {"traces": _run(Traces(history, otlp.export), otlp)}


async def _run(traces: Traces, otlp: Otlp) -> None:
    try:
        await traces.run()
    finally:
        await asyncio.to_thread(otlp.close)


class Traces:
    """Has ``export``, which must not block, told of each generation of ``history`` once."""

    def __init__(self, history: History, export: Callable[[Span], None]) -> None:
        self._export = export
        self._open: dict[int, Generation] = {}
        history.begun.append(self._begun)
        history.ended.append(self._ended)

    async def run(self) -> None:
        """Tell of generations that proxies do not answer for, for ever; at the end, of all that are left."""
        try:
            while True:
                await asyncio.sleep(_LOOK_S)
                until = time.monotonic() - _PATIENCE.total_seconds()
                for each in [each for each in self._open.values() if (each.published or until) <= until]:
                    self._ended(each)
        finally:
            for each in list(self._open.values()):
                self._ended(each)

    def _begun(self, generation: Generation) -> None:
        self._open[generation.number] = generation

    def _ended(self, generation: Generation) -> None:
        if self._open.pop(generation.number, None) is not None:
            self._export(trace(generation))
