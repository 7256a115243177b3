"""A compressed archive of bounded size, readable by its owner only, of which everything is cleaned of secrets."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from xds.cli.bug_report.scrub import scrubbed, without_secrets

_MOST_OF_ONE: Final = 16 * 1024 * 1024


class Archive:
    """A ``.tar.gz`` at ``path`` with all files below ``folder``, of at most ``most_bytes`` unpacked.

    ``missing`` says what is not in it, and why. Errors: OSError.
    """

    def __init__(self, path: Path, folder: str, most_bytes: int) -> None:
        self._path = path
        self._folder = folder
        self._left = most_bytes
        self.files = 0
        self.missing: list[str] = []

    def __enter__(self) -> Self:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(self._path, flags, 0o600), "wb")
        os.fchmod(self._file.fileno(), 0o600)
        self._tar = tarfile.open(fileobj=self._file, mode="w:gz")  # closed when this is left
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.missing:
            self._add("missing.txt", "".join(f"{each}\n" for each in self.missing).encode())
        self._tar.close()
        self._file.close()

    def json(self, name: str, document: Any) -> None:
        """Add a document, without what is secret in it."""
        text = json.dumps(without_secrets(document), indent=1, ensure_ascii=False)
        self.text(name, text)

    def text(self, name: str, text: str) -> None:
        """Add a text; of one that is too long its end, as that is what is new in a log."""
        content = scrubbed(text).encode(errors="replace")
        if len(content) > _MOST_OF_ONE:
            self.missing.append(f"{name}: all but its last {_MOST_OF_ONE} bytes")
            content = content[-_MOST_OF_ONE:]
        if len(content) > self._left:
            self.missing.append(f"{name}: there is no room for its {len(content)} bytes (--max-size)")
            return
        self._add(name, content)

    def _add(self, name: str, content: bytes) -> None:
        self._left -= len(content)
        self.files += 1
        # Names of proxies are what they say: none leads out of the folder where somebody unpacks this.
        parts = (part if part.strip(".") else "_" for part in name.split("/"))
        entry = tarfile.TarInfo("/".join((self._folder, *parts)))
        entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
        self._tar.addfile(entry, io.BytesIO(content))
