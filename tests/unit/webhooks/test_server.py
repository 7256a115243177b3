"""The webhooks' application, asked in process: what is bounded, and what becomes of bugs."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.unit.webhooks.reviews import body, review, virtual_service
from xds.events import Event
from xds.webhooks import server
from xds.webhooks.review import Answer, Review
from xds.webhooks.server import BODY_LIMIT_BYTES, Reviewer, app


def allow(review: Review) -> Answer:
    return Answer(warnings=(json.dumps(dict(review.pairs)),))


def fail(review: Review) -> Answer:
    raise KeyError("a word of the object")


def client(mutate: Reviewer = allow, validate: Reviewer = allow) -> httpx.AsyncClient:
    return asking(app(mutate, validate), "10.0.0.1")


def asking(application: Any, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application, client=(address, 12345))
    return httpx.AsyncClient(transport=transport, base_url="https://webhooks")


async def sent(path: str, content: bytes, **reviewers: Reviewer) -> tuple[int, Any]:
    async with client(**reviewers) as asked:
        answer = await asked.post(path, content=content)
    return answer.status_code, answer.json()["response"] if answer.status_code == HTTPStatus.OK else answer.text


async def test_reviews_are_answered() -> None:
    good = body(virtual_service())
    assert await sent("/validate", good) == (200, {"uid": "u-1", "allowed": True, "warnings": ["{}"]})
    status, response = await sent("/inject/cluster/a--slash--b/x/y%20z", good)
    assert (status, response["warnings"]) == (200, ['{"cluster": "a/b", "x": "y z"}'])
    assert (await sent("/inject", good))[0] == 200
    async with client() as asked:
        assert (await asked.get("/healthz")).text == "ok\n"
        assert (await asked.get("/validate")).status_code == 405
        assert (await asked.post("/other")).status_code == 404


@pytest.mark.parametrize("path", ["/validate", "/inject"])
async def test_garbage_is_answered_with_a_text(path: str) -> None:
    for garbage in (b"", b"{", b"\x00" * 100, b"[" * 100_000, b'{"kind": "AdmissionReview"}'):
        status, text = await sent(path, garbage)
        assert status == 400
        assert text.strip()
        assert "Traceback" not in text
    beta = {**review(virtual_service()), "apiVersion": "admission.k8s.io/v1beta1"}
    status, text = await sent(path, json.dumps(beta).encode())
    assert (status, "admissionReviewVersions must be [v1]" in text) == (400, True)


async def test_a_path_without_a_value_is_refused() -> None:
    assert (await sent("/inject/net", body(virtual_service())))[0] == 400


async def test_large_reviews_are_read_and_larger_ones_refused() -> None:
    large = body(virtual_service({"hosts": ["x" * 3_000_000]}))
    assert (await sent("/validate", large))[0] == 200
    status, text = await sent("/validate", b" " * (BODY_LIMIT_BYTES + 1))
    assert (status, text) == (413, "a review must have at most 8 MiB\n")


async def test_a_body_whose_length_is_not_told_is_bounded_too() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b" " * 1024 * 1024

    async with client() as asked:
        assert (await asked.post("/validate", content=chunks())).status_code == 413


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_READ_S", 0.05)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with client() as asked:
        assert (await asked.post("/validate", content=never())).status_code == 408


async def test_calls_at_a_time_are_bounded_and_what_was_taken_is_given_back() -> None:
    free = threading.Event()

    def wait(review: Review) -> Answer:
        free.wait(20)
        return Answer()

    good = body(virtual_service())
    async with client(wait) as asked:
        calls = [asyncio.create_task(asked.post("/inject", content=good)) for _ in range(80)]
        while sum(each.done() for each in calls) < 16:  # noqa: ASYNC110 (nobody is told)
            await asyncio.sleep(0)
        assert {each.result().status_code for each in calls if each.done()} == {503}
        assert (await asked.post("/validate", content=good)).status_code == 200  # has bounds of its own
        free.set()
        statuses = [(await each).status_code for each in calls]
        assert (statuses.count(200), statuses.count(503)) == (64, 16)
        assert (await asked.post("/inject", content=good)).status_code == 200


async def test_one_that_asks_for_everything_leaves_something_for_others() -> None:
    free = threading.Event()

    def wait(review: Review) -> Answer:
        if "greedy" in review.pairs:
            free.wait(20)
        return Answer()

    application, good = app(wait, allow), body(virtual_service())
    async with asking(application, "10.0.0.66") as greedy, asking(application, "10.0.0.1") as other:
        calls = [asyncio.create_task(greedy.post("/inject/greedy/1", content=good)) for _ in range(80)]
        while sum(each.done() for each in calls) < 16:  # noqa: ASYNC110 (nobody is told)
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            assert (await other.post("/inject", content=good)).status_code == 200
        free.set()
        await asyncio.gather(*calls)


async def test_bodies_of_one_leave_something_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_BODIES_OF_ONE_BYTES", 5000)
    monkeypatch.setattr(server, "_BODIES_LIMIT_BYTES", 8000)
    sent, more = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b" " * 4000
        sent.set()
        await more.wait()

    application, good = app(allow, allow), body(virtual_service())
    async with asking(application, "10.0.0.66") as greedy, asking(application, "10.0.0.1") as other:
        call = asyncio.create_task(greedy.post("/validate", content=slowly()))
        await sent.wait()
        assert (await greedy.post("/validate", content=b" " * 2000)).status_code == 503
        assert (await other.post("/validate", content=good)).status_code == 200
        more.set()
        assert (await call).status_code == 400


async def test_bodies_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_BODIES_LIMIT_BYTES", 100)
    status, text = await sent("/validate", body(virtual_service()))
    assert (status, text) == (503, "too many calls at a time: come again\n")


async def test_a_bug_denies_what_injects_and_warns_of_what_validates() -> None:
    with capture_logs() as logs:
        status, response = await sent("/inject", body(virtual_service()), mutate=fail)
        assert (status, response["allowed"], response["status"]["code"]) == (200, False, 500)
        assert "a bug of its own (KeyError)" in response["status"]["message"]
        assert "a word" not in str(response)
        status, response = await sent("/validate", body(virtual_service()), validate=fail)
        assert (status, response["allowed"]) == (200, True)
        assert "a bug of its own (KeyError)" in response["warnings"][0]
    assert [(each["event"], each["webhook"]) for each in logs] == [
        (Event.WEBHOOK_FAILED, "inject"),
        (Event.WEBHOOK_FAILED, "validate"),
    ]
    assert logs[0]["object"] == "VirtualService shop/reviews"


async def test_the_loop_is_free_meanwhile() -> None:
    entered = asyncio.Event()
    loop, free = asyncio.get_running_loop(), threading.Event()

    def wait(review: Review) -> Answer:
        loop.call_soon_threadsafe(entered.set)
        assert free.wait(20)
        return Answer()

    async with client(validate=wait) as asked:
        call = asyncio.create_task(asked.post("/validate", content=body(virtual_service())))
        await entered.wait()
        free.set()
        assert (await call).status_code == 200
