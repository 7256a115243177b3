"""Takes what proxies tell of failed calls, and answers what failed lately."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from xds.failed.call import FailedCall, FailedCalls
from xds.failed.reading import came_in, failed_call
from xds.failed.record import Record
from xds.model.proxy import Proxy
from xds.model.snapshot import Snapshot, Table
from xds.model.workload import Workload
from xds.server import Entry

MOST_TOLD: Final = 500
CALLS_TOLD: Final = 5
"""Calls of each kind that are told of, where no request is asked for."""


class Failed:
    """What failed lately. A proxy is believed about itself alone: all is kept as what it said, under its own name.

    ``snapshot`` is the mesh as it is now.
    """

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self.record = Record()

    def take(self, proxy: Proxy, entries: Sequence[Entry], dropped: int) -> None:
        """Work in what a proxy has reported, and how much more it had that was dropped."""
        now = time.time()
        moment = datetime.fromtimestamp(now, UTC)
        for entry in entries:
            call = failed_call(entry, moment)
            if call is not None:
                named = msgspec.structs.replace(call, upstream_pod=self._pod(call.upstream))
                self.record.add(proxy.label, named, now, inbound=came_in(proxy, entry))
        self.record.drop(dropped)

    def _pod(self, upstream: str) -> str:
        """Who has the address now; when it is asked for, somebody else may."""
        rows: tuple[Workload, ...] = self._snapshot().rows(Table.ADDRESS, upstream.rpartition(":")[0].strip("[]"))
        return f"{rows[0].namespace}/{rows[0].ref.name}" if rows else ""

    def lately(self, reporters: Collection[str] = (), request_id: str = "") -> list[FailedCalls]:
        """What failed lately as these (``NS/NAME``) told it, or all: ``MOST_TOLD`` kinds, the newest first.

        Of each the last calls, or those of that request alone.
        """
        found = sorted(self.record.lately(time.time(), reporters, request_id), key=lambda each: -each.last)[:MOST_TOLD]
        return [msgspec.structs.replace(each, latest=_wanted(each, request_id)) for each in found]


def _wanted(of: FailedCalls, request_id: str) -> list[FailedCall]:
    if not request_id:
        return of.latest[-CALLS_TOLD:]
    return [call for call in of.latest if call.request_id == request_id]
