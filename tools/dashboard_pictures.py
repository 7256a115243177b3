"""``python -m tools.dashboard_pictures``: the pictures of docs/dashboard.md, of a mesh that is made up, in Chromium."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, Literal

from playwright.async_api import Browser, async_playwright

from bench.dashboard import made_up
from bench.made_up_mesh import MadeUpMesh
from xds.admin.listen import listen, serve

_ROOT: Final = Path(__file__).resolve().parent.parent
_FOLDER: Final = _ROOT / "docs" / "dashboard"
_FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
_SETTLED_MS: Final = 2500
_PROXY: Final = "sidecar~10.0.0.5~payments-5.billing~billing.svc.cluster.local"
# Name of the picture: (view, theme, services, height of the window).
_PICTURES: Final = {
    "graph": ("graph", "light", 12, 860),
    "graph-200": ("graph", "light", 200, 760),
    "service": ("services/cart.billing.svc.cluster.local", "light", 12, 1300),
    "proxy": (f"proxies/{_PROXY}", "dark", 12, 860),
    "policies": ("objects", "light", 12, 1080),
    "changes": ("changes", "light", 12, 860),
    "why": ("why?from=bank/batch&to=accounts:80&method=DELETE&path=/accounts", "light", 12, 760),
}


async def pictures() -> None:
    """Take all pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium is here: tools/system-packages tests")
    _FOLDER.mkdir(exist_ok=True)
    answer = await asyncio.to_thread(_explained)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
        for name, (view, theme, size, height) in _PICTURES.items():
            mesh = MadeUpMesh(size, size * 5, answer=answer)
            await _picture(browser, mesh, (name, view, theme, height))
        await browser.close()


async def _picture(browser: Browser, mesh: MadeUpMesh, wanted: tuple[str, str, str, int]) -> None:
    name, view, theme, height = wanted
    listener, stop = listen("127.0.0.1:0"), asyncio.Event()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/dashboard/#/{view}"
    serving = asyncio.create_task(serve(made_up(mesh), listener, stop))
    scheme: Literal["dark", "light"] = "dark" if theme == "dark" else "light"
    page = await browser.new_page(viewport={"width": 1360, "height": height}, color_scheme=scheme)
    await page.goto(address)
    await page.wait_for_selector("main h1")
    await page.wait_for_timeout(_SETTLED_MS)
    await page.screenshot(path=_FOLDER / f"{name}.png")
    await page.close()
    stop.set()
    await serving


def _explained() -> dict[str, object]:
    """What ``plait explain`` says of a call in the example."""
    words = ["explain", "bank/batch", "accounts:80", "DELETE", "/accounts", "-f", "examples/zero-trust", "-o", "json"]
    command = [sys.executable, "-c", "from xds.cli import main; main()", *words]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, check=False)
    found: dict[str, object] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    asyncio.run(pictures())
