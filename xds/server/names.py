"""Sets of names, one object for equal ones: a thousand streams that ask for the same thousand names hold them once."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Final

from xds.wire.resource import Layers, find

NONE: Final[frozenset[str]] = frozenset()


class Names:
    """The sets of names that are in use, for one cache."""

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[frozenset[str], weakref.ref[frozenset[str]]] = (
            weakref.WeakKeyDictionary()
        )

    def same(self, names: frozenset[str]) -> frozenset[str]:
        """The set equal to ``names`` that others hold already, or ``names`` itself if it is the first."""
        if not names:
            return NONE
        found = self._known.get(names)
        known = found() if found is not None else None
        if known is None:
            self._known[names] = weakref.ref(names)
            return names
        return known

    def spelled(self, names: Iterable[str], layers: Layers) -> frozenset[str]:
        """``names`` as a shared set; names that ``layers`` know are their strings, not copies from the wire."""
        asked = frozenset(names)
        known = self._known.get(asked)
        found = known() if known is not None else None
        if found is not None:
            return found
        own = []
        for name in asked:
            resource = find(layers, name)
            own.append(name if resource is None else resource.name)
        return self.same(frozenset(own))
