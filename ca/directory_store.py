"""A CA's state in a directory: ``current`` is a link to the folder that holds the files, replaced as a whole."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from ca.errors import Unusable
from ca.state import FILES, KEY_FILES, CaState, decode, encode
from ca.store import conflict

CURRENT: Final = "current"
_STATE: Final = re.compile(r"state-(\d{1,18})\Z")


class DirectoryStore:
    """Keeps the state in ``folder``; keys are encrypted there when there is a passphrase.

    Folders of ours have mode 0700 and files 0600. Writers, also in other processes, take turns by a lock on ``folder``.
    """

    def __init__(self, folder: Path, passphrase: bytes | None = None) -> None:
        self._folder = folder
        self._passphrase = passphrase

    def load(self) -> CaState | None:
        """What is stored. Errors: Unusable, also when others can read a key."""
        if not self._folder.is_dir():
            return None
        with self._locked(fcntl.LOCK_SH):
            version = self.version()
            if version is None:
                return None
            folder = self._folder / _name(version)
            files = {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}
            exposed = [fault for name in KEY_FILES if name in files for fault in _exposed(folder / name)]
        if exposed:
            raise Unusable(*exposed)
        return decode(files, str(folder), self._passphrase, version)

    def save(self, state: CaState) -> CaState:
        """Store ``state``; whatever happens on the way, the old or the new one is there. Errors: Conflict."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked(fcntl.LOCK_EX):
            if self.version() != state.version:
                raise conflict()
            version = str(int(state.version or 0) + 1)
            self._sweep(keep=state.version)  # of one that died while it wrote
            self._write(self._folder / _name(version), encode(state, self._passphrase))
            self._switch(version)
            self._sweep(keep=version)
        return replace(state, version=version)

    def version(self) -> str | None:
        """The number in the name of the folder that ``current`` is a link to."""
        try:
            target = (self._folder / CURRENT).readlink()
        except FileNotFoundError:
            return None
        except OSError:  # EINVAL: a file of that name
            raise Unusable(f"{self._folder / CURRENT} is no link of ours: choose another directory") from None
        match = _STATE.match(str(target))
        if match is None:
            raise Unusable(f"{self._folder / CURRENT} is a link to {target}, not to a state beside it")
        return match[1]

    def _write(self, folder: Path, files: dict[str, bytes]) -> None:
        folder.mkdir(mode=0o700)
        for name, content in files.items():
            write_private(folder / name, content)
        _sync(folder)

    def _switch(self, version: str) -> None:
        prepared = self._folder / f".{CURRENT}"
        prepared.unlink(missing_ok=True)
        prepared.symlink_to(_name(version))
        prepared.replace(self._folder / CURRENT)
        _sync(self._folder)

    def _sweep(self, keep: str | None) -> None:
        """Old keys do not pile up."""
        for folder in self._folder.iterdir():
            match = _STATE.match(folder.name)
            if match and match[1] != keep:
                shutil.rmtree(folder)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600 down to the disk. Errors: FileExistsError; a link there is not followed."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _exposed(path: Path) -> list[str]:
    mode = path.stat().st_mode
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return []
    return [f"{path} may be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 it, or replace the key"]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name(version: str) -> str:
    return f"state-{version}"
