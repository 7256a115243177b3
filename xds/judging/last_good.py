"""The last good versions of what is refused, in a file: a restart of the control plane must not make things worse.

Only resources that are sent instead of refused ones are kept, under the hash of the refused one: the same bytes are
refused again after a restart, and the same good version is sent again. Secrets are never among them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from xds import private_file
from xds.events import Event
from xds.judging.quarantine import Key, key_of
from xds.wire.resource import Resource
from xds.wire.type_urls import SECRET

log = structlog.get_logger()

_MOST: Final = 1_000
_LARGEST_BYTES: Final = 64 * 1024 * 1024


class _Kept(msgspec.Struct, frozen=True):
    """One refused version, and the body of what is sent instead."""

    type_url: str
    name: str
    version: str
    body: str


class LastGood:
    """The good versions in ``path``; without one, or where it cannot be read or written, nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known = self._read()
        self._unclaimed = dict(self._known)  # of proxies that have not come back yet

    def instead_of(self, refused: Resource) -> Resource | None:
        """What was sent in the place of a refused resource before the restart."""
        body = self._known.get(key_of(refused))
        self._unclaimed.pop(key_of(refused), None)
        return None if body is None else Resource(refused.type_url, refused.name, body, refused.provenance)

    def keep(self, sent: Mapping[Key, Resource]) -> None:
        """Have the file hold these, by what they are sent instead of. Blocks."""
        found = {key: each.body for key, each in sent.items() if key.type_url != SECRET}
        wanted = dict([*found.items(), *self._unclaimed.items()][:_MOST])
        if self._path is None or wanted == self._known:
            return
        self._known = wanted
        entries = [_Kept(*key, base64.b64encode(body).decode()) for key, body in wanted.items()]
        try:
            private_file.write(self._path, msgspec.json.encode(entries))
        except OSError as error:
            log.warning(Event.LAST_GOOD_NOT_KEPT, path=str(self._path), error=str(error))

    def _read(self) -> dict[Key, bytes]:
        if self._path is None or not self._path.exists():
            return {}
        try:
            if self._path.stat().st_size > _LARGEST_BYTES:
                raise ValueError("is too large")
            found = msgspec.json.decode(self._path.read_bytes(), type=list[_Kept])
            return {Key(e.type_url, e.name, e.version): base64.b64decode(e.body) for e in found}
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            log.warning(Event.LAST_GOOD_NOT_KEPT, path=str(self._path), error=str(error))
            return {}
