"""Questions to a Prometheus, each with a time limit and a largest answer. Its credentials are never told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from xds.failure import Failure, Unreachable

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]

_LONGEST_REASON: Final = 200
_AT_ONCE: Final = 4
_SCHEMES: Final = frozenset({"http", "https"})


class Answer(msgspec.Struct, frozen=True):
    """What Prometheus answers; ``data`` is there where ``status`` is success."""

    status: str
    error: str = ""
    data: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Series(msgspec.Struct, frozen=True):
    """One series of an answer: its labels, and a value (at a moment), or the values of a range."""

    metric: Mapping[str, str]
    value: tuple[float, str] | None = None
    values: tuple[tuple[float, str], ...] = ()


_ANSWER: Final = msgspec.json.Decoder(Answer)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an answer may take, how large it may be, and how many series it may have."""

    timeout_s: float = 10.0
    size_bytes: int = 16 * 1024 * 1024
    series: int = 5_000


class Prometheus:
    """A Prometheus by its URL, which may hold a user and a password. Errors: Failure, of what is no such URL.

    Each method makes connections of its own, so it may be called in any event loop.
    """

    def __init__(self, url: str, limits: Limits = Limits()) -> None:
        import httpx

        try:
            parsed = httpx.URL(url if "://" in url else f"http://{url}")
        except httpx.InvalidURL:
            parsed = httpx.URL("")
        if parsed.scheme not in _SCHEMES or not parsed.host or parsed.query or parsed.fragment:
            raise Failure("the URL of Prometheus must be http(s)://[user:password@]host[:port][/path]")
        self._auth = (parsed.username, parsed.password) if parsed.userinfo else None
        self.name = str(parsed.copy_with(userinfo=b"")).rstrip("/")
        """Where it is, without credentials: for messages."""
        self._limits = limits

    def __repr__(self) -> str:
        return f"Prometheus({self.name!r})"

    async def now(self, queries: Iterable[str]) -> list[list[Series]]:
        """What each query answers at this moment. Errors: Unreachable; Failure of too much."""
        return await self._each("/api/v1/query", [{"query": query} for query in queries])

    async def range(self, queries: Iterable[str], start: float, end: float, step_s: int) -> list[list[Series]]:
        """What each query answers at each step; times are seconds since 1970. Errors: as ``now``."""
        times = {"start": f"{start:.0f}", "end": f"{end:.0f}", "step": str(step_s)}
        return await self._each("/api/v1/query_range", [{"query": query, **times} for query in queries])

    async def _each(self, path: str, asked: list[dict[str, str]]) -> list[list[Series]]:
        import httpx

        turns = asyncio.Semaphore(_AT_ONCE)
        timeout = self._limits.timeout_s
        try:
            async with (
                asyncio.timeout(timeout),
                httpx.AsyncClient(auth=self._auth, timeout=timeout) as client,
                asyncio.TaskGroup() as tasks,
            ):
                told = [tasks.create_task(self._one(client, turns, path, each)) for each in asked]
        except TimeoutError:
            raise Unreachable(f"Prometheus at {self.name} does not answer within {timeout:g} s") from None
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        return [each.result() for each in told]

    async def _one(
        self, client: httpx.AsyncClient, turns: asyncio.Semaphore, path: str, asked: Mapping[str, str]
    ) -> list[Series]:
        import httpx

        query = {**asked, "timeout": f"{self._limits.timeout_s:g}s"}
        try:
            async with turns, client.stream("POST", self.name + path, data=query) as answer:
                status, body = answer.status_code, await self._body(answer)
        except httpx.TimeoutException:
            raise Unreachable(f"Prometheus at {self.name} does not answer in time") from None
        except (httpx.HTTPError, OSError) as error:
            raise Unreachable(f"no Prometheus answers at {self.name} ({error})") from None
        # Some megabytes take longer to read than a stream should wait.
        return await asyncio.to_thread(self._series, status, body, path)

    async def _body(self, answer: httpx.Response) -> bytes:
        body = bytearray()
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > self._limits.size_bytes:
                raise Failure(f"Prometheus at {self.name} answers more than {self._limits.size_bytes} bytes")
        return bytes(body)

    def _series(self, status: int, body: bytes, path: str) -> list[Series]:
        if status in (401, 403):
            raise Failure(f"Prometheus at {self.name} does not take the credentials that it is asked with ({status})")
        try:
            told = _ANSWER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Failure(f"what is at {self.name} is no Prometheus: no JSON of one at {path} ({status})") from None
        if told.status != "success":
            reason = told.error[:_LONGEST_REASON] or status
            raise Failure(f"Prometheus at {self.name} does not answer: {reason}")
        try:
            found = msgspec.convert(told.data.get("result", ()), list[Series])
        except msgspec.ValidationError:
            raise Failure(f"what Prometheus at {self.name} answers is no list of series") from None
        if len(found) > self._limits.series:
            raise Failure(f"Prometheus at {self.name} answers {len(found)} series, {self._limits.series} are read")
        return found


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first of errors of tasks that ended together."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def quoted(text: str) -> str:
    """A string of PromQL, which has Go's escapes."""
    import json

    return json.dumps(text, ensure_ascii=False)
