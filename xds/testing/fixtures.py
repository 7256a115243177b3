"""The fixtures: one mesh a test module, each test in it undone and looked over for rejections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from xds.local.settings import LocalSettings
    from xds.testing.mesh import Mesh


@pytest.fixture(scope="module")
def mesh_manifests() -> str | Path:
    """What the module's mesh runs: YAML text, or the path of a file or directory. To be defined by the module."""
    pytest.fail("define a fixture mesh_manifests (scope module) that returns YAML text or a path")


@pytest.fixture(scope="module")
def mesh_settings() -> LocalSettings | None:
    """How the module's mesh is run; a module may define its own (``xds.local.settings.LocalSettings``)."""
    return None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_mesh(
    mesh_manifests: str | Path, mesh_settings: LocalSettings | None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mesh]:
    """The running mesh of the module. Fails where pods cannot run, for example without root."""
    from xds.testing.mesh import running_mesh

    async with running_mesh(mesh_manifests, tmp_path_factory.mktemp("mesh"), settings=mesh_settings) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def mesh(module_mesh: Mesh) -> AsyncIterator[Mesh]:
    """The module's mesh for one test: what the test applied is undone, and a rejection it did not expect fails it."""
    async with module_mesh.one_test():
        yield module_mesh
