"""Layers in a cache: each is made once for what it is made of, which is its key."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.images.archive import Layer, write_layer


@dataclass(frozen=True, slots=True)
class LayerCache:
    """Layers below ``folder``, of each name only the newest."""

    folder: Path

    def layer(self, name: str, key: object, make: Callable[[Path], None]) -> Layer:
        """The layer ``name`` of ``key``, anything that JSON can write; if it is not there, ``make`` fills a folder."""
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        path = self.folder / f"{name}-{digest}.tar"
        known = path.with_suffix(".sha256")
        if known.exists() and path.exists():
            return Layer(path, known.read_text())
        print(f"images: making layer {name}", flush=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"plait-{name}-") as made:
            root = Path(made) / "root"
            root.mkdir(mode=0o755)
            make(root)
            layer = write_layer(root, path)
        for old in self.folder.glob(f"{name}-{'[0-9a-f]' * 16}.*"):
            if old != path:
                old.unlink()
        known.write_text(layer.digest)
        return layer


def program(cache: LayerCache, name: str, source: Path, target: str) -> Layer:
    """The layer of one program; it is a new one when the program's size or time is."""

    def copy(root: Path) -> None:
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / target)
        (root / target).chmod(0o755)

    status = source.stat()
    return cache.layer(name, [str(source), status.st_size, status.st_mtime_ns, target], copy)


def unpack(layer: Layer, root: Path) -> None:
    """Unpack a layer over ``root``."""
    subprocess.run(["tar", "--extract", "--file", str(layer.path), "--directory", str(root)], check=True)
