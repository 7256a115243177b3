"""Which proxies are there: by their streams, and for a while after the last has ended, as most come back."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import lru_cache
from typing import Final

from xds.model.proxy import Proxy
from xds.server import Denied, Reason

LINGER_S: Final = 30.0
MOST_OF_ONE: Final = 16
"""Proxies that one namespace, account and name may be at once: each other label that it claims makes another."""


@lru_cache(maxsize=50_000)
def group_of(proxy: Proxy) -> str:
    """The name of the set that a proxy is served, its own: two that differ in anything never share one, nor its key."""
    # Not Python's hash, which others can have too: hash(-1) is hash(-2).
    parts = [getattr(proxy, field.name) for field in fields(Proxy)]
    text = repr([sorted(part) if isinstance(part, frozenset) else part for part in parts])
    return f"{proxy.id}#{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def owner_of(proxy: Proxy) -> str:
    """Who a proxy belongs to: all of one namespace are one, as who may run one there may run it as any account."""
    return proxy.namespace


def _one(proxy: Proxy) -> tuple[str, str, str]:
    return proxy.namespace, proxy.service_account, proxy.name or proxy.id


class Presence:
    """The proxies that have streams. ``gone`` is told when some may be seen off: what was made for them can go."""

    def __init__(self, gone: Callable[[], None]) -> None:
        self._gone = gone
        self._streams: dict[Proxy, int] = {}
        self._lingering: dict[Proxy, asyncio.TimerHandle] = {}
        self._leaving: set[Proxy] = set()
        self._of_one: Counter[tuple[str, str, str]] = Counter()

    def __iter__(self) -> Iterator[Proxy]:
        return iter(list(self._streams))

    def arrived(self, proxy: Proxy) -> None:
        """A stream of the proxy has begun. Errors: Denied where it is one too many of its name."""
        self._count_in(proxy)
        if (timer := self._lingering.pop(proxy, None)) is not None:
            timer.cancel()
        self._leaving.discard(proxy)
        self._streams[proxy] = self._streams.get(proxy, 0) + 1

    def left(self, proxy: Proxy) -> None:
        """A stream of the proxy has ended."""
        self._streams[proxy] -= 1
        if not self._streams[proxy]:
            del self._streams[proxy]
            self._lingering[proxy] = asyncio.get_running_loop().call_later(LINGER_S, self._forget, proxy)

    def take_leaving(self) -> set[Proxy]:
        """Those that have been away for long enough; each is told once."""
        leaving, self._leaving = self._leaving, set()
        for proxy in leaving:
            self._of_one[_one(proxy)] -= 1
            if not self._of_one[_one(proxy)]:
                del self._of_one[_one(proxy)]
        return leaving

    def close(self) -> None:
        """Nobody is seen off any more."""
        for timer in self._lingering.values():
            timer.cancel()

    def _count_in(self, proxy: Proxy) -> None:
        if proxy in self._streams or proxy in self._lingering or proxy in self._leaving:
            return
        if self._of_one[_one(proxy)] >= MOST_OF_ONE:
            text = f"{proxy.label} is {MOST_OF_ONE} proxies already; those that have gone count for {LINGER_S:g} s"
            raise Denied(text, Reason.UNAVAILABLE)
        self._of_one[_one(proxy)] += 1

    def _forget(self, proxy: Proxy) -> None:
        del self._lingering[proxy]
        self._leaving.add(proxy)
        self._gone()
