"""A local mesh in a test: its manifests, which may be edited, and what its proxies refuse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from xds.local.output import OutputLine
from xds.local.settings import LocalSettings
from xds.model.problem import Problem
from xds.server import Rejected
from xds.testing.pods import LIMIT, Pods
from xds.testing.rejections import Refused, Rejections
from xds.up import Up, up


class Mesh(Pods):
    """A running mesh with its control plane."""

    def __init__(self, running: Up, name: str, folder: Path) -> None:
        super().__init__(running.mesh, name)
        self.up = running
        self.folder = folder
        self._applied: set[str] = set()
        self._rejections = Rejections()
        running.control_plane.observe(self._rejections)

    async def apply(self, manifests: str, name: str = "extra.yaml", *, limit: timedelta = LIMIT) -> None:
        """Save the manifests as a file of the mesh; returns when all of it runs and every proxy has acknowledged it.

        What a proxy refuses is found by ``one_test``. Errors: TimeoutError, with the names of those that lag.
        """
        self._applied.add(name)
        draft = self.folder / f".{name}"
        draft.write_text(manifests)
        draft.replace(self.folder / name)
        await self.settled(limit)

    async def delete(self, name: str = "extra.yaml", *, limit: timedelta = LIMIT) -> None:
        """Remove a file that ``apply`` has saved; returns when that is in force."""
        self._applied.discard(name)
        (self.folder / name).unlink()
        await self.settled(limit)

    async def settled(self, limit: timedelta = LIMIT) -> None:
        """Return when the manifests on disk are what runs, and every proxy has acknowledged it and works by it."""
        with contextlib.suppress(Rejected):
            await self.up.until_current(limit)
            await self.until(self._warm, "listeners and clusters are warm", limit)
            await self.up.until_current(limit)

    async def _warm(self) -> bool:
        pods = [key for key, status in self.local.statuses.items() if status.sidecar and status.ready]
        wanted = "(listener_manager.total_listeners_warming|cluster_manager.warming_clusters)"
        found = await asyncio.gather(*(self.stats(str(pod), wanted) for pod in pods))
        return not any(value for stats in found for value in stats.values())

    @contextlib.asynccontextmanager
    async def one_test(self) -> AsyncIterator[None]:
        """Undo at the end what was applied within. Errors: AssertionError when a proxy has refused something."""
        try:
            yield
        finally:
            for name in self._applied:
                (self.folder / name).unlink(missing_ok=True)
            if self._applied:
                self._applied.clear()
                await self.settled()
            refused = self._rejections.take()
        assert not refused, "\n".join(map(str, refused))

    def take_rejections(self) -> tuple[Refused, ...]:
        """What proxies have refused in this test so far; by that it is expected."""
        return self._rejections.take()

    @property
    def problems(self) -> Sequence[Problem]:
        """The control plane's findings, which follow a change within a moment."""
        return self.up.control_plane.findings.problems


@contextlib.asynccontextmanager
async def running_mesh(
    manifests: str | Path, folder: Path, *, limit: timedelta = LIMIT, settings: LocalSettings | None = None
) -> AsyncIterator[Mesh]:
    """A mesh of the manifests (YAML text, or a path whose files are copied into ``folder``), ready for requests.

    ``settings`` are taken but for the name, which is one of its own.

    Errors: CommandFailed where pods cannot run, for example without root; TimeoutError, naming who is not ready.
    """
    _fill(folder, manifests)
    name = f"test-{os.getpid()}-{uuid4().hex[:8]}"
    async with up(folder, replace(settings or LocalSettings(), name=name), _print) as running:
        mesh = Mesh(running, name, folder)
        await running.until_ready(limit)
        try:
            await mesh.settled(limit)
            yield mesh
        finally:
            await mesh.close()


def _fill(folder: Path, manifests: str | Path) -> None:
    if isinstance(manifests, str):
        (folder / "mesh.yaml").write_text(manifests)
    elif manifests.is_dir():
        shutil.copytree(manifests, folder, dirs_exist_ok=True)
    else:
        shutil.copy(manifests, folder)


def _print(line: OutputLine) -> None:
    # pytest shows it below a test that fails.
    print(f"{line.pod}/{line.container} | {line.text}")
