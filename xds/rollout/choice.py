"""Which of the changes that wait roll out next: who edits without end does not hold others' back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from xds.model.refs import ObjectRef

GATHER_S: Final = 1.0
"""So long is waited for more before any is chosen: manifests are applied one after the other."""

MOST: Final = 500
"""So many objects at most roll out together: control planes tell each other which."""


class Choice:
    """All that wait roll out together, but for those of namespaces that had their turn and could not leave it alone.

    ``came_back`` are objects of several namespaces that have come back together: one of them did harm, so that each
    namespace's go by themselves then.
    """

    def __init__(self) -> None:
        self.last: set[str] = set()
        """Namespaces whose objects changed while they rolled out: others' go first."""
        self._apart: set[ObjectRef] = set()

    def came_back(self, refs: Iterable[ObjectRef]) -> None:
        """These came back together."""
        self._apart.update(refs)

    def chosen(self, waiting: Sequence[ObjectRef]) -> tuple[ObjectRef, ...]:
        """Those that are next; at most ``MOST``."""
        found = [ref for ref in waiting if ref.namespace not in self.last] or list(waiting)
        self.last -= {ref.namespace for ref in found}
        self._apart &= set(waiting)
        together = [ref for ref in found if ref not in self._apart]
        if not together and found:
            first = min(ref.namespace for ref in found)
            together = [ref for ref in found if ref.namespace == first]
        return tuple(sorted(together)[:MOST])
