"""OCI archives: layers in tar files, and the image archives that share them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OCI: Final = "application/vnd.oci.image"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: an uncompressed tar file and the SHA-256 of its bytes, in hexadecimal."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Image:
    """What an image is made of, lowest layer first, and how it is run; ``user`` is "uid:gid", or empty for root."""

    name: str  # with registry and tag, as a container runtime keeps it
    layers: Sequence[Layer]
    entrypoint: Sequence[str] = ()
    user: str = ""
    environment: Sequence[str] = ()


def write_layer(folder: Path, to: Path) -> Layer:
    """The layer of all that is in ``folder``, written to ``to``: equal trees give equal bytes (owner root, time 0)."""
    new = to.with_name(f"{to.name}.new")
    with tarfile.open(new, "w", format=tarfile.PAX_FORMAT) as tar:
        for entry in sorted(folder.iterdir()):
            tar.add(entry, entry.name, filter=_plain)
    with new.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    new.rename(to)
    return Layer(to, digest)


def write_archive(images: Sequence[Image], architecture: str, to: Path) -> None:
    """Write ``images`` as one OCI archive, for `ctr images import`, podman or skopeo; it has shared layers once."""
    platform = {"architecture": architecture, "os": "linux"}
    blobs: dict[str, bytes] = {}
    manifests = [_manifest(image, platform, blobs) for image in images]
    new = to.with_name(f"{to.name}.new")
    with tarfile.open(new, "w") as tar:
        _put(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _put(tar, "index.json", _json({"schemaVersion": 2, "manifests": manifests}))
        for digest, content in blobs.items():
            _put(tar, f"blobs/sha256/{digest}", content)
        for layer in {layer.digest: layer for image in images for layer in image.layers}.values():
            tar.add(layer.path, f"blobs/sha256/{layer.digest}", filter=_plain)
    new.rename(to)


def renew_archive(images: Sequence[Image], architecture: str, to: Path) -> bool:
    """Write ``images`` as one archive, unless the one that is there was made of the same; whether it was written."""
    content, key = to.with_suffix(".content"), hashlib.sha256(repr(images).encode()).hexdigest()
    if to.exists() and content.exists() and content.read_text() == key:
        return False
    write_archive(images, architecture, to)
    content.write_text(key)
    return True


def _manifest(image: Image, platform: dict[str, str], blobs: dict[str, bytes]) -> dict[str, Any]:
    """What an index says of ``image``; its manifest and configuration are added to ``blobs``."""
    run: dict[str, Any] = {"Env": [_PATH, *image.environment]}
    if image.entrypoint:
        run["Entrypoint"] = list(image.entrypoint)
    if image.user:
        run["User"] = image.user
    digests = [f"sha256:{layer.digest}" for layer in image.layers]
    config = _json({**platform, "config": run, "rootfs": {"type": "layers", "diff_ids": digests}})
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": _descriptor("config.v1+json", _digest(config), len(config)),
            "layers": [_descriptor("layer.v1.tar", each.digest, each.path.stat().st_size) for each in image.layers],
        }
    )
    blobs |= {_digest(content): content for content in (manifest, config)}
    names = {
        "io.containerd.image.name": image.name,
        "org.opencontainers.image.ref.name": image.name.rpartition(":")[2],
    }
    listed = _descriptor("manifest.v1+json", _digest(manifest), len(manifest))
    return {**listed, "platform": platform, "annotations": names}


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"{_OCI}.{kind}", "digest": f"sha256:{digest}", "size": size}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _put(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """The entry, owned by root and as old as time; None for a device."""
    if entry.ischr() or entry.isblk():
        return None
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
