"""Addresses of networks' gateways that are known by name only (a cloud's load balancer), as a source of objects.

Proxies are sent addresses, as endpoints that come by EDS have no names; so the control plane looks the names up.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Final

from xds.model.network import GatewayName
from xds.model.object import Object
from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.sources.changes import Changed, Replaced, Transaction

NAME: Final = "gateway-names"
GROUP: Final = "names.plait"
KIND: Final = "GatewayName"
REFRESH: Final = timedelta(seconds=30)
_AT_A_TIME: Final = 4

Resolve = Callable[[str], Awaitable[tuple[str, ...]]]


class _Resolver:
    """The addresses of a name as this machine resolves it, sorted. Errors: OSError.

    In threads of its own: while no name server answers, each is held up for longer than any time limit.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix=NAME)

    async def __call__(self, name: str) -> tuple[str, ...]:
        look_up = partial(socket.getaddrinfo, name, None, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return tuple(sorted({str(address[0]) for *_, address in found if "%" not in str(address[0])}))


class GatewayNames:
    """The names that gateways have. What is served does not wait for them: the source begins empty.

    A name that is not found keeps the addresses that it had.
    """

    name = NAME

    def __init__(self, resolve: Resolve | None = None, refresh: timedelta = REFRESH) -> None:
        self._resolve = resolve or _Resolver()
        self._refresh = refresh
        self._wanted: frozenset[str] = frozenset()
        self._woken = asyncio.Event()

    def want(self, names: Iterable[str]) -> None:
        """Look up these names, and no others, from now on."""
        wanted = frozenset(names)
        if wanted != self._wanted:
            self._wanted = wanted
            self._woken.set()

    async def changes(self) -> AsyncGenerator[Transaction, None]:
        """Nothing at first, then a Changed whenever addresses are others; ends only when it is closed."""
        yield Replaced(self.name, ())
        known: dict[str, tuple[str, ...]] = {}
        while True:
            self._woken.clear()
            wanted = sorted(self._wanted)
            found = await asyncio.gather(*(self._look_up(name, known.get(name, ())) for name in wanted))
            now = {name: addresses for name, addresses in zip(wanted, found, strict=True) if addresses}
            upserts = tuple(_object(name, each) for name, each in now.items() if known.get(name) != each)
            gone = tuple(_ref(name) for name in sorted(known.keys() - now.keys()))
            known = now
            if upserts or gone:
                yield Changed(self.name, upserts, gone)
            await self._wait(self._refresh if wanted else None)

    async def _look_up(self, name: str, known: tuple[str, ...]) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(self._refresh.total_seconds()):
                return await self._resolve(name) or known
        except (OSError, ValueError):  # TimeoutError is one; a name may be none
            return known

    async def _wait(self, limit: timedelta | None) -> None:
        try:
            async with asyncio.timeout(limit.total_seconds() if limit is not None else None):
                await self._woken.wait()
        except TimeoutError:
            return

    def locate(self, at: FieldRef, origin: Origin) -> Origin:
        """``origin``: a name is one line to us."""
        return origin


def _ref(name: str) -> ObjectRef:
    return ObjectRef(GROUP, KIND, "", name)


def _object(name: str, addresses: tuple[str, ...]) -> Object[GatewayName]:
    return Object(_ref(name), GatewayName(name, addresses), Origin(name))
