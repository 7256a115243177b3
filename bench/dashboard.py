"""``python -m bench.dashboard``: how fast it answers with 1000 pods of 200 services; ``--serve`` shows it."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Final

import httpx
from starlette.applications import Starlette
from starlette.routing import Route

from bench.made_up_mesh import MadeUpMesh
from xds.admin.app import app
from xds.admin.listen import listen, serve
from xds.cli.collector import relax, settle
from xds.dashboard.app import with_dashboard
from xds.dashboard.guard import Guard

_TIMES: Final = 20
_ASKED: Final = (
    "/dashboard/",
    "/dashboard/api/overview",
    "/dashboard/api/services",
    "/dashboard/api/service?host=web.shop.svc.cluster.local",
    "/dashboard/api/proxies",
    "/dashboard/api/proxy?id=web-0.shop",
    "/dashboard/api/objects",
    "/debug/problems",
    "/debug/refusals",
    "/debug/workloads",
    "/debug/history",
)


def made_up(mesh: MadeUpMesh) -> Guard:
    """All pages, of a mesh that is made up."""
    pages: Starlette = app(mesh)
    pages.routes[:0] = [*mesh.traffic.pages(), Route("/debug/rollouts", mesh.rollouts)]
    return with_dashboard(pages, mesh, mesh)


async def measure(mesh: MadeUpMesh) -> None:
    """Print, for each page, the median and longest answer, and for how long the event loop was held at once."""
    transport = httpx.ASGITransport(app=made_up(mesh))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        print(f"{mesh.size} services, {mesh.pods} pods; milliseconds")
        print(f"{'page':58}{'median':>8}{'most':>8}{'held':>8}{'kB':>8}")
        for path in _ASKED:
            await _measure_one(client, path)


async def _measure_one(client: httpx.AsyncClient, path: str) -> None:
    took, held, size = list[float](), 0.0, 0
    for _ in range(_TIMES):
        watching = asyncio.create_task(_longest_hold())
        await asyncio.sleep(0)
        begun = time.perf_counter()
        answer = await client.get(path)
        took.append(time.perf_counter() - begun)
        watching.cancel()
        held = max(held, await watching)
        answer.raise_for_status()
        size = len(answer.content)
    took.sort()
    print(f"{path:58}{took[len(took) // 2] * 1e3:8.1f}{took[-1] * 1e3:8.1f}{held * 1e3:8.1f}{size / 1e3:8.0f}")


async def _longest_hold() -> float:
    """The longest that others had to wait, in processor time of the loop's thread: the machine has other work too."""
    longest, last = 0.0, time.thread_time()
    try:
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest


def main() -> None:
    """Measure, or serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=200)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--serve", metavar="HOST:PORT", default="")
    options = parser.parse_args()
    mesh = MadeUpMesh(options.services, options.pods)
    if options.serve:
        asyncio.run(serve(made_up(mesh), listen(options.serve), asyncio.Event()))
    else:
        relax()
        settle()
        asyncio.run(measure(mesh))


if __name__ == "__main__":
    main()
