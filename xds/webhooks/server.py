"""The webhooks as an ASGI application: what is read is bounded, and every call gets an answer that can be acted on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from xds.events import Event
from xds.webhooks.review import AdmissionRequest, Answer, NoReview, Review, decode, denied, encode, pairs

log = structlog.get_logger()

Reviewer = Callable[[Review], Answer]
"""What answers a review. Called in a thread; an exception in it is a bug."""

INJECT: Final = "inject"
VALIDATE: Final = "validate"

# The API server takes requests of 3 MiB and stores objects of 1.5 MiB; a review of an update holds both.
BODY_LIMIT_BYTES: Final = 8 * 1024 * 1024
# A refused body is read to its end, so that its sender comes to read why, but not for ever.
_DRAINED_BYTES: Final = 4 * BODY_LIMIT_BYTES
# Of all bodies together, so that many large ones cannot take the control plane's memory.
_BODIES_LIMIT_BYTES: Final = 64 * 1024 * 1024
_CALLS_LIMIT: Final = 256
# Reviews are work for the processor; more at a time would only slow each other and the event loop.
_AT_A_TIME: Final = 4
# The same for one address: API servers have few, and any pod can call. It is not to keep them from being heard.
_BODIES_OF_ONE_BYTES: Final = 16 * 1024 * 1024
_CALLS_OF_ONE: Final = 64
_OF_ONE_AT_A_TIME: Final = 2
_READ_S: Final = 10.0


class Observer:
    """Who wants to know what ``INJECT`` and ``VALIDATE`` answer: what is overridden. Called in the event loop."""

    def answered(self, webhook: str, request: AdmissionRequest, answer: Answer, took_s: float) -> None:
        """A review was answered, so long after all of it was there."""

    def refused(self, webhook: str, status: int) -> None:
        """A call was answered with a status of HTTP and no review."""


_NOBODY: Final = Observer()


class Refused(Exception):
    """A call that is not answered by a review: the status of HTTP, and why."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def app(mutate: Reviewer, validate: Reviewer, observer: Observer = _NOBODY) -> Starlette:
    """The application: ``POST /inject`` and ``/inject/<key>/<value>/...``, ``POST /validate``, ``GET /healthz``.

    A bug in ``mutate`` denies, as a pod without its sidecar would be outside the mesh; one in ``validate`` allows with
    a warning, as translation judges again.
    """
    shared = _Shared(observer)
    inject = _Webhook(INJECT, mutate, _injection_failed, shared)
    judge = _Webhook(VALIDATE, validate, _validation_failed, shared)
    return Starlette(
        routes=[
            Route("/inject", inject.call, methods=["POST"]),
            Route("/inject/{pairs:path}", inject.call, methods=["POST"]),
            Route("/validate", judge.call, methods=["POST"]),
            Route("/healthz", _healthz),
        ]
    )


async def _healthz(request: Request) -> Response:
    return PlainTextResponse("ok\n")


def _injection_failed(error: Exception) -> Answer:
    message = f"Plait has failed to add the sidecar for a bug of its own ({type(error).__name__}); please report it"
    return denied(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", message)


def _validation_failed(error: Exception) -> Answer:
    message = f"Plait could not check this object for a bug of its own ({type(error).__name__}); please report it"
    return Answer(warnings=(message,))


class _Memory:
    """How many bytes of bodies are held, of each address."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    def take(self, size: int, of_body: int, address: str) -> None:
        """Hold so many more, which makes it ``of_body`` of one. Errors: Refused when it would be too many."""
        if of_body > BODY_LIMIT_BYTES:
            raise _too_large()
        of_one = self._held[address] + size
        if of_one > _BODIES_OF_ONE_BYTES or self._held.total() + size > _BODIES_LIMIT_BYTES:
            raise _busy()
        self._held[address] = of_one

    def give_back(self, size: int, address: str) -> None:
        self._held[address] -= size
        if not self._held[address]:
            del self._held[address]


@dataclass(slots=True)
class _Shared:
    """What webhooks have together."""

    observer: Observer
    memory: _Memory = field(default_factory=_Memory)


@dataclass(slots=True)
class _Caller:
    """What is being done for one address."""

    calls: int = 0
    running: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_OF_ONE_AT_A_TIME))


class _Webhook:
    """One of the webhooks: its bounds, and what reviews."""

    def __init__(self, name: str, review: Reviewer, failed: Callable[[Exception], Answer], shared: _Shared) -> None:
        self._name = name
        self._review = review
        self._failed = failed
        self._memory = shared.memory
        self._observer = shared.observer
        self._calls = 0
        self._callers: dict[str, _Caller] = {}
        self._running = asyncio.Semaphore(_AT_A_TIME)

    async def call(self, request: Request) -> Response:
        """The answer to one call: 200 with a review, or a status and a text."""
        body, address = bytearray(), _address(request)
        try:
            try:
                await self._read(request, body)
                answer = await self._reviewed(bytes(body), request.path_params.get("pairs", ""), address)
            finally:
                self._memory.give_back(len(body), address)
        except Refused as refused:
            log.info(Event.WEBHOOK_CALL_REFUSED, webhook=self._name, status=int(refused.status), reason=refused.text)
            self._observer.refused(self._name, int(refused.status))
            return PlainTextResponse(f"{refused.text}\n", refused.status)
        except ClientDisconnect:
            return PlainTextResponse("", HTTPStatus.BAD_REQUEST)
        return Response(answer, media_type="application/json")

    async def _reviewed(self, body: bytes, path: str, address: str) -> bytes:
        """The answer to what was read; one that only sends slowly has taken nobody's place. Errors: Refused."""
        caller = self._callers.get(address) or _Caller()
        if self._calls >= _CALLS_LIMIT or caller.calls >= _CALLS_OF_ONE:
            raise _busy()
        self._callers[address] = caller
        self._calls += 1
        caller.calls += 1
        began = time.monotonic()
        try:
            async with caller.running, self._running:
                request, answer, encoded = await asyncio.to_thread(self._answer, body, path)
            self._observer.answered(self._name, request, answer, time.monotonic() - began)
            return encoded
        finally:
            self._calls -= 1
            caller.calls -= 1
            if not caller.calls:
                del self._callers[address]

    async def _read(self, request: Request, body: bytearray) -> None:
        """Put the body there. Errors: Refused."""
        try:
            async with asyncio.timeout(_READ_S):
                await self._take(request, body)
        except TimeoutError:
            text = f"the body did not come within {_READ_S:g} s"
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, text) from None

    async def _take(self, request: Request, body: bytearray) -> None:
        refused: Refused | None = None
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            try:
                if refused is None:
                    self._memory.take(len(chunk), size, _address(request))
                    body += chunk
            except Refused as reason:  # who hears it only when all is sent is still sending
                refused = reason
            if size > _DRAINED_BYTES:
                break
        if refused is not None:
            raise refused

    def _answer(self, body: bytes, path: str) -> tuple[AdmissionRequest, Answer, bytes]:
        """What ``body`` asks, the answer, and the AdmissionReview with it. Errors: Refused when nothing is asked."""
        try:
            review = decode(body, pairs(path))
        except NoReview as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
        try:
            answer = self._review(review)
            return review.request, answer, encode(review, answer)
        except Exception as error:
            request = review.request
            log.exception(Event.WEBHOOK_FAILED, webhook=self._name, uid=request.uid, object=request.subject)
            answer = self._failed(error)
            return request, answer, encode(review, answer)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _too_large() -> Refused:
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a review must have at most {BODY_LIMIT_BYTES >> 20} MiB")


def _busy() -> Refused:
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many calls at a time: come again")
