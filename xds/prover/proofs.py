"""What has been proven, and what ends an Envoy, by content hash, for one version of Envoy; kept in files, so that a
restart asks nothing again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import structlog

from xds.events import Event

log = structlog.get_logger()

_BYTES: Final = 16
_MOST: Final = 100_000
"""So many proofs are kept, the newest: 1.6 MB."""


class Remembered:
    """What is known of contents, of the Envoy of one version: it is followed once that is known.

    In files in ``folder``, or in memory where there is none or it cannot be written.
    """

    def __init__(self, folder: Path | None, version: str = "") -> None:
        self._folder = folder
        self.version = ""
        self.proofs = Hashes(None)
        """Those that an Envoy takes."""
        self.deadly = Hashes(None)
        """Those that end an Envoy."""
        self.follow(version)

    def follow(self, version: str) -> None:
        """Go over to what is known of that version."""
        if version == self.version:
            return
        self.version = version
        digest = hashlib.sha256(version.encode()).hexdigest()[:16]
        self.proofs, self.deadly = (
            Hashes(None if self._folder is None else self._folder / f"{name}-{digest}") for name in ("proofs", "deadly")
        )


class Hashes:
    """Content hashes; in the file of ``path``, or in memory where there is none or it cannot be written."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[bytes, None] = {}
        self._written = 0
        self._load()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: bytes) -> bool:
        return key in self._known

    def add(self, keys: Iterable[bytes]) -> None:
        """Remember that these were proven."""
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        if not new:
            return
        self._known.update(dict.fromkeys(new))
        while len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
        if self._path is None:
            return
        try:
            if self._written + len(new) > 2 * _MOST:
                self._compact(self._path)
            else:
                self._append(self._path, b"".join(new))
                self._written += len(new)
        except OSError as error:
            self._give_up(error)

    def _load(self) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = self._path.read_bytes() if self._path.exists() else b""
            whole = len(found) - len(found) % _BYTES  # a write that was cut short leaves a part
            keys = [found[at : at + _BYTES] for at in range(0, whole, _BYTES)]
            self._known = dict.fromkeys(keys[-_MOST:])
            self._written = len(keys)
            if whole != len(found) or len(keys) > _MOST:
                self._compact(self._path)
        except OSError as error:
            self._give_up(error)

    def _compact(self, path: Path) -> None:
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        self._append(draft, b"".join(self._known))
        draft.replace(path)
        self._written = len(self._known)

    @staticmethod
    def _append(path: Path, found: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, found)  # one write: another process's are whole, too
        finally:
            os.close(descriptor)

    def _give_up(self, error: OSError) -> None:
        log.warning(Event.PROOFS_NOT_KEPT, path=str(self._path), error=str(error))
        self._path = None
