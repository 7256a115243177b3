"""Folders of pytest's that the applications of pods, users of their own, may read."""

from __future__ import annotations

from pathlib import Path


def readable(folder: Path) -> None:
    """Open the folder and those above it, up to ``/tmp``, to every user for reading."""
    for each in (folder, *(parent for parent in folder.parents if str(parent).startswith("/tmp/"))):
        each.chmod(0o755)
