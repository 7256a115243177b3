"""What one client holds of one type: a reference to the tables that all share, and the few names where it differs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from xds.server.names import NONE
from xds.wire.difference import Difference
from xds.wire.resource import Layers, find

# The version of what a client may or may not hold: after a NACK, which Envoy applies in part (envoy-facts 9).
UNKNOWN: Final = "?"


class Held:
    """The names a client asks for and the versions it holds of them, without a dictionary of its own.

    ``base`` are the layers it was last brought to. It holds what they have, as far as it asks for it, except ``fresh``
    names, which wait for their answer, and ``deviations``: the version held in fact, None for nothing.
    """

    __slots__ = ("base", "deviations", "fresh", "names", "wildcard")

    def __init__(self) -> None:
        self.wildcard = False
        self.names: frozenset[str] = NONE
        self.fresh: frozenset[str] = NONE
        self.base: Layers = ()
        self.deviations: dict[str, str | None] = {}

    def covers(self, name: str) -> bool:
        """Whether the client asks for ``name``."""
        return self.wildcard or name in self.names

    def concerned(self, part: Difference) -> Difference:
        """The part of a difference that the client asks for."""
        return part if self.wildcard else part.within(self.names)

    def version_of(self, name: str) -> str | None:
        """The version that the client holds of ``name``; None for nothing, UNKNOWN where it cannot be known."""
        if name in self.fresh or not self.covers(name):
            return None
        if name in self.deviations:
            return self.deviations[name]
        resource = find(self.base, name)
        return None if resource is None else resource.version

    def holds(self, name: str, version: str | None) -> None:
        """Note that the client holds ``version`` of ``name``, as a deviation only where ``base`` does not say so."""
        resource = find(self.base, name)
        if version == (None if resource is None else resource.version):
            self.deviations.pop(name, None)
        else:
            self.deviations[name] = version

    def forget(self, names: Iterable[str]) -> None:
        """Note nothing special of ``names`` any more: the client does not ask for them, or will be answered anew."""
        for name in names if self.deviations else ():
            self.deviations.pop(name, None)

    def restate(self) -> None:
        """Write all that is held down as deviations, before the client begins to ask for everything."""
        held = {name: version for name in self.names if (version := self.version_of(name)) is not None}
        self.base = ()
        self.deviations = dict(held)

    def undisturbed(self, parts: Collection[Difference]) -> bool:
        """Whether no name in ``parts`` is one where the client deviates or waits, so that they can go as they are."""
        for part in parts:
            if self.fresh and not self.fresh.isdisjoint(part.names):
                return False
            if self.deviations and not self._conforms(part):
                return False
        return True

    def _conforms(self, part: Difference) -> bool:
        return self.deviations.keys().isdisjoint(part.names) and self.deviations.keys().isdisjoint(part.removed)
