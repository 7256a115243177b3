"""Files that one user may read and nobody else, replaced whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def write(path: Path, text: str, owner: int) -> None:
    """Write a file of mode 0400 for the user ``owner`` (its own group has the same number), in one step.

    Its folder is made if need be, ours, and open to that user's group only for reading: so that the owner of a file
    cannot put a link in its place, which we, who may be root, would follow. Errors: OSError.
    """
    ours = owner == os.geteuid()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not ours:
        os.chown(path.parent, -1, owner, follow_symlinks=False)
    path.parent.chmod(0o700 if ours else 0o750)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(draft, flags, 0o400), "w") as file:
        if not ours:
            os.fchown(file.fileno(), owner, owner)
        file.write(text)
    draft.replace(path)


def remove(folder: Path) -> None:
    """Remove a folder and the files in it; nothing when there is none."""
    shutil.rmtree(folder, ignore_errors=True)
