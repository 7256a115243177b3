"""Root file systems of Debian packages: downloaded by apt-get, unpacked, none of their scripts run.

What is left is what a program reads: no shell, package manager or setuid program unless its package is asked for.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

_MERGED: Final = ("bin", "sbin", "lib", "lib64")
_UNREAD: Final = (
    "usr/lib/*/gconv", "usr/share/doc", "usr/share/info", "usr/share/lintian", "usr/share/locale", "usr/share/man",
)  # fmt: skip
_FILES: Final = {
    "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n",
    "etc/group": "root:x:0:\nnonroot:x:65532:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}


def architecture() -> str:
    """The machine's architecture, as Debian and images call it: amd64, arm64."""
    return _output("dpkg", "--print-architecture").strip()


def install(packages: Sequence[str], root: Path) -> None:
    """Unpack ``packages``, and nothing they depend on, below ``root``. Errors: CalledProcessError of apt-get."""
    for folder in _MERGED:
        (root / "usr" / folder).mkdir(parents=True, exist_ok=True)
        (root / folder).symlink_to(f"usr/{folder}")
    with tempfile.TemporaryDirectory(prefix="plait-packages-") as folder:
        _download(packages, Path(folder))
        for package in sorted(Path(folder).glob("*.deb")):
            _unpack(package, root)
    for unread in _UNREAD:
        for found in root.glob(unread):
            shutil.rmtree(found)
    for name in _MERGED:  # the links to them stay: another layer has the folders
        if not any((root / "usr" / name).iterdir()):
            (root / "usr" / name).rmdir()


def accounts_and_roots(root: Path) -> None:
    """Write the few files that maintainers' scripts would: accounts, name service, the public roots in one file."""
    for name, text in _FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("dev", "etc", "proc", "root", "run", "sys", "tmp", "var"):
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    roots = sorted((root / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text("".join(each.read_text() for each in roots))
    links(root, [("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt"), ("var/run", "/run")])


def links(root: Path, targets: Iterable[tuple[str, str]]) -> None:
    """Make symbolic links: (path below ``root``, what it points to)."""
    for path, target in targets:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(target)


def _download(packages: Sequence[str], folder: Path) -> None:
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *packages]
    if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
        subprocess.run(["apt-get", "-qq", "update"], check=True)  # this machine has no lists of packages, or old ones
        subprocess.run(command, cwd=folder, check=True)


def _unpack(package: Path, root: Path) -> None:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as tar:
        command = ["tar", "--extract", "--keep-directory-symlink", "--directory", str(root)]
        subprocess.run(command, stdin=tar.stdout, check=True)
    if tar.returncode:
        raise subprocess.CalledProcessError(tar.returncode, tar.args)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
