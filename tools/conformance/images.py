"""The images of the suite's pods, under the names that its manifests have; none of them is pulled."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tools.images import debian
from tools.images.archive import Image, Layer, renew_archive
from tools.images.layers import LayerCache, program

IMAGES: Final = "images.tar"
"""The archive's name, in the folder of the programs."""

_REGISTRY: Final = "registry.k8s.io/gateway-api"
_BASIC: Final = ("v1.5.1", "v1.6.0-dev.2", "v1.6.0-dev.3")
_NONROOT: Final = "65532:65532"


def archive(programs: Path) -> None:
    """Have all of them in ``IMAGES`` in ``programs``, the folder of what `tools/gateway-api` has built."""
    cache = LayerCache(programs / "layers")
    echo = program(cache, "echo-basic", programs / "echo-basic", "echo-basic")
    dns = program(cache, "coredns", programs / "coredns", "coredns")
    images = [Image(f"{_REGISTRY}/echo-basic:{tag}", (echo,), ("/echo-basic",), _NONROOT) for tag in _BASIC]
    images.append(Image(f"{_REGISTRY}/echo-advanced:v1.5.1", (_advanced(cache, programs),), ("/usr/local/bin/server",)))
    images.append(Image("registry.k8s.io/coredns/coredns:v1.12.2", (dns,), ("/coredns",)))
    renew_archive(images, debian.architecture(), programs / IMAGES)


def _advanced(cache: LayerCache, programs: Path) -> Layer:
    """One program that answers as `server` and asks as `client`."""
    source = programs / "echo-advanced"
    status = source.stat()

    def fill(root: Path) -> None:
        folder = root / "usr/local/bin"
        folder.mkdir(parents=True)
        (folder / "server").write_bytes(source.read_bytes())
        (folder / "server").chmod(0o755)
        (folder / "client").symlink_to("server")

    return cache.layer("echo-advanced", [status.st_size, status.st_mtime_ns], fill)
