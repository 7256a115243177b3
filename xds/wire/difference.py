"""What turns one state of a type's resources into another, with the bytes that say so, made once for all streams."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from xds.wire.resource import Resource

# Parts of a difference are remembered by who asked (a set of names); a few, since sets that differ by stream share
# nothing.
_REMEMBERED_PARTS: Final = 8
_VERSION_BYTES: Final = 8


class Difference:
    """Resources to send and names to remove, each sorted by name; an immutable value, true when there is anything.

    Its encoded forms are made at first use and shared by all streams that send the same difference.
    """

    __slots__ = (
        "__weakref__",
        "_delta",
        "_names",
        "_parts",
        "_refers_to",
        "_scopes",
        "_sotw",
        "_version",
        "changed",
        "removed",
    )

    def __init__(self, changed: tuple[Resource, ...] = (), removed: tuple[str, ...] = ()) -> None:
        self.changed = changed
        self.removed = removed
        self._delta: bytes | None = None
        self._sotw: bytes | None = None
        self._names: frozenset[str] | None = None
        self._refers_to: frozenset[str] | None = None
        self._scopes: frozenset[str] | None = None
        self._version: bytes | None = None
        self._parts: dict[Hashable, Difference | None] = {}  # None: all of it

    @classmethod
    def of(cls, changed: Iterable[Resource], removed: Iterable[str] = ()) -> Difference:
        """A difference from parts in any order."""
        return cls(tuple(sorted(changed, key=lambda resource: resource.name)), tuple(sorted(removed)))

    @property
    def delta_items(self) -> bytes:
        """All changed resources as ``resources`` of a DeltaDiscoveryResponse."""
        if self._delta is None:
            self._delta = b"".join([resource.delta_item for resource in self.changed])
        return self._delta

    @property
    def sotw_items(self) -> bytes:
        """All changed resources as ``resources`` of a DiscoveryResponse."""
        if self._sotw is None:
            self._sotw = b"".join([resource.sotw_item for resource in self.changed])
        return self._sotw

    @property
    def names(self) -> frozenset[str]:
        """The names of the changed resources."""
        if self._names is None:
            self._names = frozenset([resource.name for resource in self.changed])
        return self._names

    @property
    def refers_to(self) -> frozenset[str]:
        """What must follow the changed resources on the wire (``Resource.refers_to``)."""
        if self._refers_to is None:
            self._refers_to = frozenset([name for resource in self.changed if (name := resource.refers_to)])
        return self._refers_to

    @property
    def scopes(self) -> frozenset[str]:
        """Of the changed resources' names all that is before their last slash."""
        if self._scopes is None:
            self._scopes = frozenset([resource.name.rpartition("/")[0] for resource in self.changed])
        return self._scopes

    @property
    def digest(self) -> bytes:
        """A hash of the names and versions of the changed resources."""
        if self._version is None:
            digest = hashlib.blake2b(digest_size=_VERSION_BYTES, person=b"plait-table")
            for resource in self.changed:
                digest.update(f"{resource.name}\0{resource.version}\0".encode())
            self._version = digest.digest()
        return self._version

    def within(self, names: frozenset[str]) -> Difference:
        """The part that concerns ``names``; itself when all of it does."""
        if not self.removed and self.names <= names:
            return self
        return self._part(names, names.__contains__)

    def under(self, scopes: frozenset[str]) -> Difference:
        """The part whose names are ``<scope>/<rest>``, split at the last slash, for one of ``scopes``."""
        if not self.removed and self.scopes <= scopes:
            return self
        return self._part(("under", scopes), lambda name: name.rpartition("/")[0] in scopes)

    def _part(self, key: Hashable, wanted: Callable[[str], bool]) -> Difference:
        if key in self._parts:
            known = self._parts[key]
            return self if known is None else known
        changed = tuple([resource for resource in self.changed if wanted(resource.name)])
        removed = tuple([name for name in self.removed if wanted(name)])
        whole = len(changed) == len(self.changed) and len(removed) == len(self.removed)
        if len(self._parts) >= _REMEMBERED_PARTS:
            del self._parts[next(iter(self._parts))]
        part = self._parts[key] = None if whole else Difference(changed, removed)
        return self if part is None else part

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Difference):
            return NotImplemented
        return self is other or (self.changed == other.changed and self.removed == other.removed)

    def __hash__(self) -> int:
        return hash((self.changed, self.removed))

    def __repr__(self) -> str:
        return f"Difference(+{len(self.changed)} -{len(self.removed)})"


NOTHING: Final = Difference()
