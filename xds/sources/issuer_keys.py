"""Public keys of token issuers as a source: each key set is an object, which comes when it was fetched."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final

from xds.model.object import Object
from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.sources.changes import Changed, Replaced, Transaction
from xds.sources.key_sets import KeySets, KeySetSettings

NAME: Final = "issuer-keys"
GROUP: Final = "keys.plait"
KIND: Final = "KeySet"


class IssuerKeys:
    """The key sets that policies name. What is served does not wait for them: the source begins empty.

    A key set that is not wanted any more goes with the next change that comes; until then nobody reads it.
    """

    name = NAME

    def __init__(self, settings: KeySetSettings | None = None) -> None:
        self._settings = settings
        self._wanted: frozenset[str] = frozenset()
        self._sets: KeySets | None = None

    def want(self, uris: Iterable[str]) -> None:
        """Have these key sets, and no others, from now on. Needs a running loop."""
        self._wanted = frozenset(uris)
        if self._sets is not None:
            self._sets.want(self._wanted)

    async def changes(self) -> AsyncGenerator[Transaction, None]:
        """Nothing at first, then one Changed a key set that has changed; ends only when it is closed."""
        yield Replaced(self.name, ())
        self._sets = KeySets(self._settings)
        self._sets.want(self._wanted)
        held: set[str] = set()
        async with aclosing(self._sets.changes()) as changes:
            async for uri, found in changes:
                gone = held - self._wanted
                held = (held - gone) | {uri}
                upsert = Object(_ref(uri), found, Origin(uri))
                yield Changed(self.name, (upsert,), tuple(_ref(each) for each in sorted(gone)))

    def locate(self, at: FieldRef, origin: Origin) -> Origin:
        """``origin``: a key set is one line to us."""
        return origin


def _ref(uri: str) -> ObjectRef:
    return ObjectRef(GROUP, KIND, "", uri)
