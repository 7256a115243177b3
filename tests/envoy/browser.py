"""A dashboard in headless Chromium."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from playwright.async_api import ConsoleMessage, Page, async_playwright, expect

from xds.admin.listen import listen, serve
from xds.dashboard.page import _LIBRARIES

LIMIT_MS: Final = 60_000
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Open = Callable[[str], Awaitable[Page]]


@asynccontextmanager
async def browser(application: Any, **look: Any) -> AsyncIterator[Open]:
    """Opens views of an application in headless Chromium. AssertionError at the end when the browser complained."""
    chromium = shutil.which("chromium")
    if chromium is None or not (_LIBRARIES / "preact.mjs").is_file():
        pytest.skip("no chromium is here" if chromium is None else "the dashboard's libraries could not be fetched")
    expect.set_options(timeout=LIMIT_MS)
    listener, stop, complaints = listen("127.0.0.1:0"), asyncio.Event(), list[str]()
    at = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.create_task(serve(application, listener, stop))
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        context = await running.new_context(viewport={"width": 1360, "height": 860}, **look)
        context.set_default_timeout(LIMIT_MS)

        async def show(view: str) -> Page:
            page = await context.new_page()
            page.on("console", lambda message: complaints.extend(_complaint(message)))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on(
                "request", lambda asked: None if asked.url.startswith((at, "data:")) else complaints.append(asked.url)
            )
            await page.goto(f"{at}/dashboard/#/{view}")
            return page

        try:
            yield show
        finally:
            await running.close()
            stop.set()
            await serving
    assert not complaints


async def until(page: Page, holds: str) -> None:
    """Return when an expression holds in the page; its own policy forbids Playwright to wait for that in there."""
    async with asyncio.timeout(LIMIT_MS / 1000):
        await page.evaluate(f"async () => {{ while (!({holds})) await new Promise(requestAnimationFrame) }}")


def _complaint(message: ConsoleMessage) -> list[str]:
    """What the browser complains of; not of answers that are errors, which the page tells of by itself."""
    status = message.text.removeprefix("Failed to load resource: the server responded with a status of ")
    return [message.text] if message.type == "error" and not status.startswith(("4", "502")) else []
