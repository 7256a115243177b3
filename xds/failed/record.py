"""What failed lately, kept within bounds: the kinds of failures of each proxy, how often each was, the last of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from xds.failed.call import FailedCall, FailedCalls

MOST_OF_PROXY: Final = 100
"""Kinds of one proxy; another one takes the place of that which was not told of for longest."""

LAST: Final = 20
"""Calls that are kept of a kind."""

MOST: Final = 20_000
"""Calls that are kept of all proxies: 25 MB. Who has more than its part of them makes room for its own; else does who
has told of nothing for longest."""

KEPT_S: Final = 3600.0
LATELY_S: Final = 900.0


class _Kind(NamedTuple):
    """What is counted together."""

    inbound: bool
    source: str
    to: str
    route: str
    status: int
    flags: tuple[str, ...]
    details: str
    upstream: str


def _kind(call: FailedCall, *, inbound: bool) -> _Kind:
    """Not by what strangers choose: the host that nobody has, and their address at a gateway."""
    host = "" if "NR" in call.flags else call.host
    return _Kind(
        inbound,
        (call.principal or call.source) if inbound else "",
        call.cluster or f"{host} {call.dialled}",
        call.route,
        call.status,
        call.flags,
        call.details,
        call.upstream,
    )


class Record:
    """What failed in the last hour."""

    def __init__(self) -> None:
        # By reporter, and within one by kind: what was told of last stands last.
        self._of: dict[str, dict[_Kind, FailedCalls]] = {}
        self._calls = 0
        self.dropped = 0

    def add(self, reporter: str, call: FailedCall, now: float, *, inbound: bool) -> None:
        """Count a call, and keep it instead of the oldest of its kind."""
        own = self._of.pop(reporter, {})
        self._of[reporter] = own
        kind = _kind(call, inbound=inbound)
        known = own.pop(kind, None)
        if known is None:
            known = FailedCalls(reporter=reporter, inbound=inbound, first=now)
        own[kind] = known
        known.times += 1
        known.last = now
        known.latest.append(call)
        self._calls += 1
        if len(known.latest) > LAST:
            del known.latest[0]
            self._calls -= 1
        self._make_room(own)

    def drop(self, calls: int) -> None:
        """Count what was not looked at."""
        self.dropped += calls

    def lately(self, now: float, reporters: Collection[str] = (), request_id: str = "") -> Iterator[FailedCalls]:
        """What failed in the last quarter of an hour as these have told it, or all; in an hour of one request.

        May be asked in another thread: what comes meanwhile is in the answer or not.
        """
        kept_s = KEPT_S if request_id else LATELY_S
        for reporter in reporters or list(self._of):
            for known in list(self._of.get(reporter, {}).values()):
                if now - known.last > kept_s:
                    continue
                if not request_id or any(call.request_id == request_id for call in list(known.latest)):
                    yield known

    def _make_room(self, own: dict[_Kind, FailedCalls]) -> None:
        if len(own) > MOST_OF_PROXY:
            self._forget(own)
        while self._calls > MOST:
            reporter, kinds = next(iter(self._of.items()))
            # A few that tell all the time must not have all that others, who tell seldom, have told forgotten.
            if len(own) > 1 and sum(len(each.latest) for each in own.values()) > MOST / len(self._of):
                kinds = own
            self._forget(kinds)
            if not kinds:
                del self._of[reporter]

    def _forget(self, kinds: dict[_Kind, FailedCalls]) -> None:
        self._calls -= len(kinds.pop(next(iter(kinds))).latest)
