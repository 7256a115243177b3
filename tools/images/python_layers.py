"""The layers of Plait's own images: the interpreter, what Plait depends on, Plait itself; all compiled beforehand."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.images import debian
from tools.images.archive import Layer
from tools.images.layers import LayerCache, unpack

REPOSITORY: Final = Path(__file__).resolve().parents[2]
_UV: Final = REPOSITORY / ".venv/bin/uv"
_PYTHON: Final = "python3.11"
_PACKAGES: Final = (
    "libbz2-1.0", "libcrypt1", "libexpat1", "libffi8", "liblzma5", "libpython3.11-minimal", "libpython3.11-stdlib",
    "libsqlite3-0", "libssl3", "libstdc++6", "libuuid1", "media-types", "python3.11-minimal", "zlib1g",
)  # fmt: skip
_SITE: Final = f"usr/local/lib/{_PYTHON}/dist-packages"
_UNREAD: Final = ("lib2to3", "pydoc_data", "test")  # of the interpreter
_UNREAD_OF_OTHERS: Final = ("kubernetes/aio",)  # as large as the rest of that package together
_EXTRAS: Final = ("--extra", "tracing")
_API: Final = "xds/api"  # generated, large, and seldom another: a layer of its own
_SOURCES: Final = ("xds", "ca", "envoy-bootstrap", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE")
_SCRIPT: Final = f"#!/usr/bin/{_PYTHON}\nfrom xds.cli import main\n\nmain()\n"


def layers(cache: LayerCache, libraries: Layer) -> tuple[Layer, ...]:
    """The layers of Python, the dependencies, the generated API and Plait, to lie on that of the C library."""

    def interpreter(root: Path) -> None:
        debian.install(_PACKAGES, root)
        for name in _UNREAD:
            shutil.rmtree(root / "usr/lib" / _PYTHON / name, ignore_errors=True)
        debian.links(root, [("usr/bin/python3", _PYTHON)])
        _compile(root, "usr/lib", [libraries])

    python = cache.layer("python", [_PACKAGES, _UNREAD], interpreter)
    wanted = _versions()

    def dependencies(root: Path) -> None:
        listed = ("--requirements", str(REPOSITORY / "pyproject.toml"), *_EXTRAS)
        _install(root, "--constraints", "-", *listed, text=wanted)
        for name in _UNREAD_OF_OTHERS:
            shutil.rmtree(root / _SITE / name)
        _compile(root, _SITE, [libraries, python])

    needed = cache.layer("dependencies", [wanted, _EXTRAS, _UNREAD_OF_OTHERS, python.digest], dependencies)

    def ourselves(root: Path) -> None:
        _install_wheel(root)
        shutil.rmtree(root / _SITE / _API)
        program = root / "usr/local/bin/plait"
        program.parent.mkdir(parents=True)
        program.write_text(_SCRIPT)
        program.chmod(0o755)
        _compile(root, _SITE, [libraries, python])

    def generated(root: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="plait-api-") as folder:
            _install_wheel(Path(folder))
            shutil.copytree(Path(folder) / _SITE / _API, root / _SITE / _API)
        _compile(root, _SITE, [libraries, python])

    api = cache.layer("api", [_content(_API), python.digest], generated)
    return python, needed, api, cache.layer("plait", [_content(*_SOURCES), _SCRIPT, python.digest], ourselves)


def _install_wheel(root: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="plait-wheel-") as folder:
        _run(_UV, "build", "--quiet", "--wheel", "--out-dir", folder, REPOSITORY)
        (wheel,) = Path(folder).glob("*.whl")
        _install(root, "--no-deps", str(wheel))


def _versions() -> str:
    """The versions that are installed beside the tests: what is tested is what is shipped."""
    listed = _run(_UV, "pip", "freeze", "--exclude-editable", "--python", REPOSITORY / ".venv/bin/python")
    return "".join(f"{line}\n" for line in listed.splitlines() if "==" in line)


def _install(root: Path, *arguments: str, text: str = "") -> None:
    """Install wheels of the image's Python below ``root``; programs of theirs are left out."""
    target = root / _SITE
    options = ["--quiet", "--python-version", "3.11", "--only-binary", ":all:", "--target", str(target)]
    _run(_UV, "pip", "install", *options, *arguments, text=text)
    shutil.rmtree(target / "bin", ignore_errors=True)


def _compile(root: Path, folder: str, below: list[Layer]) -> None:
    """Compile the modules below ``folder`` of ``root`` by the image's Python, with the image's C library.

    ``below`` are the layers to lie under ``root``; Python is in one of them or in ``root``. A compiled file is told to
    match its source by name alone: in a layer every file's time is 0.
    """
    with tempfile.TemporaryDirectory(prefix="plait-python-") as under:
        for layer in below:
            unpack(layer, Path(under))
        trees = (Path(under), root)
        (python,) = (path for tree in trees for path in tree.glob(f"usr/bin/{_PYTHON}"))
        (loader,) = Path(under).glob("usr/lib/*-linux-gnu*/ld-linux-*")
        libraries = ":".join(str(path) for tree in trees for path in tree.glob("usr/lib/*-linux-gnu*"))
        options = ["-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-s", root, "-p", "/", root / folder]
        _run(loader, "--library-path", libraries, python, "-I", "-m", "compileall", *options)


def _content(*names: str) -> str:
    """The hash of all files in those folders, or files, of the repository."""
    seen = hashlib.sha256()
    for path in sorted(found for name in names for found in _files(REPOSITORY / name)):
        seen.update(f"{path.relative_to(REPOSITORY)}\0".encode())
        seen.update(path.read_bytes())
    return seen.hexdigest()


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    for path in place.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            yield path


def _run(*command: object, text: str = "") -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr[-2000:]}")
    return done.stdout
