"""What header edits mean: removals first, then values that replace, then values that are added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

Named = tuple[tuple[str, str], ...]


def names_host(name: str) -> bool:
    """Whether a header is the one that names the host: its edits are a rewrite of the authority, not a header's."""
    return name.lower() in ("host", ":authority")


@dataclass(frozen=True, slots=True)
class Edits:
    """Edits of one direction's headers; names are in lower case, each part sorted by name.

    ``replace`` gives a header this one value, ``add`` a further one; a value may hold Envoy's ``%COMMANDS%``.
    """

    remove: tuple[str, ...] = ()
    replace: Named = ()
    add: Named = ()

    def after(self, earlier: Edits) -> Edits:
        """The edits that do in one go what ``earlier`` and then these do."""
        gone = {*self.remove, *(name for name, _ in self.replace)}
        return Edits(
            remove=tuple(sorted({*earlier.remove, *self.remove})),
            replace=_sorted([pair for pair in earlier.replace if pair[0] not in gone], self.replace),
            add=_sorted([pair for pair in earlier.add if pair[0] not in gone], self.add),
        )


def _sorted(earlier: list[tuple[str, str]], later: Named) -> Named:
    return tuple(sorted([*earlier, *later], key=lambda pair: pair[0]))


NO_EDITS = Edits()


@dataclass(frozen=True, slots=True)
class HeaderOperations:
    """Edits of a request before it is forwarded, and of its answer before it goes back."""

    request: Edits = NO_EDITS
    response: Edits = NO_EDITS

    def merge(self, parent: Self) -> Self:
        """Both: the wider scope's edits, and these after them."""
        return type(self)(self.request.after(parent.request), self.response.after(parent.response))
