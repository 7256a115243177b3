"""The public keys of token issuers, fetched and kept fresh by the control plane, off the path of pushes."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any, NamedTuple

import httpx
import jwt
import structlog

from xds.events import Event
from xds.model.jwks import BLOCKED, DISCOVERY, as_text, public_keys
from xds.model.security import KeySet
from xds.sources.pinned_transport import Network, PinnedTransport

log = structlog.get_logger()


def networks(text: str) -> tuple[Network, ...]:
    """Networks written with spaces between. Errors: ValueError."""
    return tuple(ip_network(each) for each in text.split())


@dataclass(frozen=True, slots=True)
class KeySetSettings:
    """How keys are fetched.

    ``timeout`` is for all requests of one attempt. ``refresh`` is how long keys are good, where the server does not say
    (``Cache-Control: max-age``); what it says is kept to within ``soonest`` and ``latest``. After a failure the next
    attempt comes after ``retry``, each time twice as long, up to ``longest_retry``; up to ``longest_retry_without``
    while there are no keys at all, as then all tokens of the issuer are refused.
    """

    timeout: timedelta = timedelta(seconds=5)
    size_limit_bytes: int = 256 * 1024
    redirects: int = 3
    at_once: int = 4
    refresh: timedelta = timedelta(minutes=20)
    soonest: timedelta = timedelta(minutes=1)
    latest: timedelta = timedelta(hours=1)
    retry: timedelta = timedelta(seconds=1)
    longest_retry: timedelta = timedelta(seconds=60)
    longest_retry_without: timedelta = timedelta(seconds=4)
    blocked: tuple[Network, ...] = networks(BLOCKED)


class _Refused(Exception):
    """Why an answer is of no use, in words for the user."""


class _Read(NamedTuple):
    jwks: str
    max_age: timedelta | None


class KeySets:
    """The key sets that are wanted, each followed by a task of its own, so that none waits for another's server.

    Names are URIs: of a JWKS, or of an OpenID discovery document (ending in ``DISCOVERY``), whose issuer is checked.
    """

    def __init__(self, settings: KeySetSettings | None = None) -> None:
        self._settings = settings or KeySetSettings()
        self._following: dict[str, asyncio.Task[None]] = {}
        self._changed: asyncio.Queue[tuple[str, KeySet, asyncio.Task[None] | None]] = asyncio.Queue()
        transport = PinnedTransport(self._settings.blocked)
        self._client = httpx.AsyncClient(
            transport=transport,
            follow_redirects=True,
            max_redirects=self._settings.redirects,
            timeout=self._settings.timeout.total_seconds(),
            headers={"accept": "application/json", "accept-encoding": "identity"},
        )
        # Whoever has failed waits in a line of its own: servers that hang delay none that answer.
        self._lines = tuple(asyncio.Semaphore(self._settings.at_once) for _ in range(2))

    def want(self, names: Iterable[str]) -> None:
        """Follow these key sets from now on, and no others. Needs a running loop."""
        wanted = frozenset(names)
        for name in [name for name in self._following if name not in wanted]:
            self._following.pop(name).cancel()
        for name in sorted(wanted - self._following.keys()):
            self._following[name] = asyncio.create_task(self._follow(name), name=f"keys of {name}")

    async def changes(self) -> AsyncGenerator[tuple[str, KeySet], None]:
        """Each key set that is wanted, when it was first read or refused, and when it or its problem has changed.

        A set that cannot be read any more keeps its keys. Endless; when it is closed, nothing is followed any more.
        """
        try:
            while True:
                name, found, task = await self._changed.get()
                if self._following.get(name) is task:
                    yield name, found
        finally:
            await self._stop()

    async def _stop(self) -> None:
        tasks = list(self._following.values())
        self._following.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def _follow(self, name: str) -> None:
        known = KeySet(name)
        failures = 0
        while True:
            async with self._lines[1 if failures else 0]:
                found, delay = await self._attempt(known, failures)
            failures = failures + 1 if found.problem else 0
            if found != known:
                self._tell(found, known)
                self._changed.put_nowait((name, found, asyncio.current_task()))
            known = found
            await asyncio.sleep(delay.total_seconds())

    async def _attempt(self, known: KeySet, failures: int) -> tuple[KeySet, timedelta]:
        """What is known of the key set after another attempt, and how long it is good for."""
        try:
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                read = await self._read(known.uri)
        except TimeoutError:
            problem = f"no answer within {self._settings.timeout.total_seconds():g}s"
        except (_Refused, httpx.HTTPError, httpx.InvalidURL) as error:
            problem = str(error) or type(error).__name__
        except Exception as error:  # a bug of ours costs this key set, not the others
            problem = f"cannot be read for a bug in Plait, please report it: {error!r}"
        else:
            return KeySet(known.uri, read.jwks), self._until_refresh(read.max_age)
        return replace(known, problem=problem), self._until_retry(failures, keys=bool(known.jwks))

    def _until_refresh(self, max_age: timedelta | None) -> timedelta:
        stated = self._settings.refresh
        if max_age is not None:
            stated = min(max(max_age, self._settings.soonest), self._settings.latest)
        return stated * random.uniform(0.9, 1)

    def _until_retry(self, failures: int, *, keys: bool) -> timedelta:
        longest = self._settings.longest_retry if keys else self._settings.longest_retry_without
        # Beyond 2**16 the product could be more than a timedelta holds.
        return min(self._settings.retry * (1 << min(failures, 16)), longest) * random.uniform(0.8, 1.2)

    async def _read(self, name: str) -> _Read:
        uri = name
        if name.endswith(DISCOVERY):
            text, _ = await self._get(name)
            uri = _discovered(text, name.removesuffix(DISCOVERY))
        text, max_age = await self._get(uri)
        found = public_keys(text)
        if found.problem:
            raise _Refused(found.problem)
        keys = tuple(key for key in found.keys if _is_key(dict(key)))
        if not keys:
            raise _Refused("has no key that can check tokens: their numbers are none of a key")
        return _Read(as_text(keys), max_age)

    async def _get(self, uri: str) -> tuple[str, timedelta | None]:
        """The text at ``uri``, and for how long it is good. Errors: _Refused, httpx's."""
        body = bytearray()
        async with self._client.stream("GET", uri) as response:
            if any(uri.startswith("https:") and step.url.scheme != "https" for step in (*response.history, response)):
                raise _Refused(f"{_shown(response.url)} is where it leads, from https to http")
            if response.status_code != httpx.codes.OK:
                raise _Refused(f"the answer of {_shown(response.url)} is status {response.status_code}")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._settings.size_limit_bytes:
                    raise _Refused(f"is longer than {self._settings.size_limit_bytes // 1024} KiB")
        return body.decode(errors="replace"), _max_age(response.headers.get("cache-control", ""))

    @staticmethod
    def _tell(found: KeySet, before: KeySet) -> None:
        if not found.problem:
            log.info(Event.KEYS_FETCHED, uri=found.uri, keys=found.jwks.count('"kty"'))
        elif found.problem != before.problem:
            log.warning(Event.KEYS_NOT_FETCHED, uri=found.uri, problem=found.problem, old_keys=bool(found.jwks))


def _discovered(text: str, issuer: str) -> str:
    """The URI of the keys in an OpenID discovery document of ``issuer``. Errors: _Refused."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    uri = document.get("jwks_uri") if isinstance(document, dict) else None
    if not isinstance(uri, str):
        raise _Refused('the discovery document must be JSON with "jwks_uri"')
    if (stated := str(document.get("issuer", "")).rstrip("/")) != issuer:
        raise _Refused(f"the discovery document is one of issuer {stated!r}")
    if issuer.startswith("https:") and not uri.startswith("https:"):
        raise _Refused(f"the discovery document leads from https to {uri!r}")
    return uri


def _is_key(key: dict[str, str]) -> bool:
    try:
        jwt.PyJWK(key)
    except (jwt.PyJWTError, ValueError):
        return False
    return True


def _max_age(header: str) -> timedelta | None:
    """What ``Cache-Control`` says; None when it says nothing of age."""
    words = [word.strip().lower() for word in header.split(",")]
    if "no-store" in words or "no-cache" in words:
        return timedelta()
    for word in words:
        name, _, number = word.partition("=")
        if name == "max-age" and number.isascii() and number.isdigit() and len(number) < 10:
            return timedelta(seconds=int(number))
    return None


def _shown(url: httpx.URL) -> str:
    """``url`` without what may be secret in it."""
    return str(url.copy_with(query=None, userinfo=b"", fragment=None))
