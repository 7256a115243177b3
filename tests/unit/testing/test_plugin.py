"""The pytest plugin in a project of somebody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib")


def run(folder: Path, text: str, *options: str) -> str:
    (folder / "test_it.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run((*PYTEST, *options), cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_mesh_needs_manifests(tmp_path: Path) -> None:
    out = run(tmp_path, "async def test_it(mesh):\n    pass\n", "-o", "asyncio_mode=auto")
    assert "define a fixture mesh_manifests" in out


def test_a_fixture_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    text = """
import asyncio, pytest, sys

@pytest.fixture
async def mesh():
    return asyncio.get_running_loop()

async def test_it(mesh):
    assert mesh is asyncio.get_running_loop()
    assert "xds.up" not in sys.modules  # who uses nothing of it loads nothing of it
"""
    assert "1 passed" in run(tmp_path, text, "-o", "asyncio_mode=auto")


def test_projects_without_pytest_asyncio_do_not_notice(tmp_path: Path) -> None:
    assert "1 passed" in run(tmp_path, "def test_it():\n    pass\n", "-p", "no:asyncio")
