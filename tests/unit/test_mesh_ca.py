"""The CA while it runs: what is gone from its store is said, and what was read goes on."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable
from pathlib import Path

from ca.directory_store import DirectoryStore
from ca.rotation import Holder
from xds.mesh_ca import MeshCa


async def nobody() -> Iterable[Holder]:
    return ()


async def test_a_store_that_is_gone_is_a_warning_and_no_new_root(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    ca = MeshCa(DirectoryStore(folder), lambda state: None)
    await ca.open()
    root = ca.state.active.root_fingerprint
    shutil.rmtree(folder)
    following = asyncio.create_task(ca.follow(nobody))
    try:
        async with asyncio.timeout(10):
            while not any("is gone" in warning for warning in ca.report().warnings):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        following.cancel()
    assert ca.state.active.root_fingerprint == root


async def test_who_made_the_ca_has_no_predecessors(tmp_path: Path) -> None:
    first, second = (MeshCa(DirectoryStore(tmp_path / "ca"), lambda state: None) for _ in range(2))
    await first.open()
    await second.open()
    assert (first.made_here, second.made_here) == (True, False)
