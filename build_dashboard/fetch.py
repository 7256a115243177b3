"""Writes ``xds/dashboard/assets``: files of the libraries that package-lock.json pins, as their makers publish them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).resolve().parent
_NAMED: Final = ("package.json", "package-lock.json")
_STAMP: Final = ".stamp"
_LIMIT_S: Final = 180
# What the page is made of, by its name there; licences go with what they are for.
_FILES: Final = {
    "preact.mjs": "preact/dist/preact.mjs",
    "hooks.mjs": "preact/hooks/dist/hooks.mjs",
    "htm.mjs": "htm/dist/htm.mjs",
    "cytoscape.mjs": "cytoscape/dist/cytoscape.esm.min.mjs",
    "dagre.mjs": "@dagrejs/dagre/dist/dagre.esm.js",
    "uplot.mjs": "uplot/dist/uPlot.esm.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
    "pico.css": "@picocss/pico/css/pico.min.css",
    "LICENSE.preact": "preact/LICENSE",
    "LICENSE.htm": "htm/LICENSE",
    "LICENSE.cytoscape": "cytoscape/LICENSE",
    "LICENSE.dagre": "@dagrejs/dagre/LICENSE",
    "LICENSE.graphlib": "@dagrejs/graphlib/LICENSE",
    "LICENSE.uplot": "uplot/LICENSE",
    "LICENSE.pico": "@picocss/pico/LICENSE.md",
}


class FetchError(Exception):
    """The libraries cannot be had; the message says why, and what would help."""


def fetch(target: Path) -> bool:
    """Whether ``target`` (the folder of the libraries) was written; False when it was up to date already.

    npm fetches them, by the lock file with its checksums, from the registry that it is configured for; what it has
    fetched once on a machine is kept in ``~/.cache/plait``. Nothing of theirs is run. Errors: FetchError.
    """
    stamp = _inputs()
    written = target / _STAMP
    if written.is_file() and written.read_text() == stamp:
        return False
    kept = _cache() / stamp[:16]
    try:
        if not kept.is_dir():
            _keep(kept, stamp)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(kept, target)
    except OSError as error:
        raise FetchError(f"the dashboard's libraries cannot be written: {error}") from None
    return True


def _keep(kept: Path, stamp: str) -> None:
    """Fetch into ``kept``, which is there whole or not at all."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".npm-", dir=kept.parent) as scratch:
        room, made = Path(scratch), Path(scratch) / "made"
        for name in _NAMED:
            shutil.copy(_HERE / name, room / name)
        _install(room)
        made.mkdir()
        for name, source in _FILES.items():
            shutil.copyfile(room / "node_modules" / source, made / name)
        (made / _STAMP).write_text(stamp)
        if not kept.is_dir():  # another build may have been faster
            made.rename(kept)


def _install(room: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError(
            "the dashboard's libraries come from npm, which is not on the PATH; install it and build again"
        )
    command = [npm, "ci", "--ignore-scripts", "--omit=peer", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(command, cwd=room, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise FetchError(f"npm took more than {_LIMIT_S} s for the dashboard's libraries") from None
    if done.returncode != 0:
        raise FetchError(f"npm cannot fetch the dashboard's libraries: {done.stderr.strip()[-500:]}")


def _inputs() -> str:
    """What makes the folder what it is, as a checksum."""
    content = "\n".join([(_HERE / _NAMED[1]).read_text(), *(f"{name}={path}" for name, path in _FILES.items())])
    return hashlib.sha256(content.encode()).hexdigest()


def _cache() -> Path:
    """The folder that is kept between builds."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plait" / "dashboard"
