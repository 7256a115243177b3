"""A CA in files of the operator's (istio's ``cacerts``): what they hold, and whether they are others now."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from ca.chain import ISTIO, KUBERNETES, PluggedIn, load_folder
from xds.sources.file_set import Signature, signature


class PluggedInFiles:
    """The files in ``folder``, under istio's names or Kubernetes'. Calls block on the disk.

    Where they are ``optional`` there may be none, and then there is no such CA: until they come.
    """

    def __init__(self, folder: Path, passphrase: bytes | None = None, *, optional: bool = False) -> None:
        self._folder = folder
        self._passphrase = passphrase
        self._optional = optional

    def absent(self) -> bool:
        """Whether there are none, and need not be."""
        return self._optional and not any(self.version())

    def version(self) -> tuple[object, ...]:
        """Differs from before when one of the files does; cheaper than ``load``."""
        return tuple(_signature(self._folder / name) for name in (*ISTIO.all, *KUBERNETES.all))

    def load(self, now: datetime) -> PluggedIn:
        """The CA. Errors: ca.errors.Unusable, with every fault there is; OSError."""
        return load_folder(self._folder, now, self._passphrase)


def _signature(file: Path) -> Signature | None:
    try:
        return signature(file.stat())
    except OSError:
        return None
