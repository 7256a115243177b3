"""Which folders are opened to containers, and which of what is in them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from xds.local.access import ways
from xds.local.commands import User

STRANGER = User(54321, 54321)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_what_is_needed_below_a_closed_folder(folder: Path) -> None:
    home = folder / "home"
    for name in ("python/bin", "venv", "closed/too", "secret"):
        (home / name).mkdir(parents=True)
    (home / "closed").chmod(0o700)
    home.chmod(0o700)
    (folder / "shop").mkdir()
    (folder / "link").symlink_to(home / "venv")
    needed = [home / "python/bin", home / "python", folder / "link", folder / "shop", home / "closed/too"]
    assert ways(needed, STRANGER) == {home: (home / "closed/too", home / "python", home / "venv")}


def test_nothing_where_all_is_open(folder: Path) -> None:
    assert ways([folder, Path("/")], STRANGER) == {}
