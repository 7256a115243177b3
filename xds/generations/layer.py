"""One shared layer of configuration, kept up to date leaf by leaf.

A layer follows a root call: root -> groups -> leaves -> specs (see ``view.outbound``). After a change only the suspects
among its own calls are looked at, and only the resources of leaves whose specs came out different are replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from xds.slices import Slices
from xds.view.graph import Call
from xds.wire.resource import EMPTY, Resource, Table

Resources = tuple[Resource, ...]
_LEAVES_A_SLICE = 4


class Maker(Protocol):
    """Who makes what a layer shows; several layers may follow the same calls."""

    def calls(self, wanted: Call) -> tuple[Call, ...]:
        """The calls that a root or a group answers."""

    def resources(self, leaf: Call) -> Resources:
        """The resources of a leaf; the same tuple as before where nothing is different."""

    def follow(self, wanted: Call, root: Call) -> None:
        """Keep ``wanted`` alive for the layer of ``root``, and tell that layer of its changes."""

    def unfollow(self, wanted: Call, root: Call) -> None:
        """Take that back."""


class Layer:
    """The resources below one root call, as one immutable table a type."""

    def __init__(self, root: Call, maker: Maker) -> None:
        self.root = root
        self.tables: dict[str, Table] = {}
        self._maker = maker
        self._groups: dict[Call, tuple[Call, ...]] = {}
        self._leaves: dict[Call, Resources] = {}
        self._users: dict[Call, int] = {}

    def build(self) -> Slices[bool]:
        """Make the tables for the first time, in slices."""
        self._maker.follow(self.root, self.root)
        return self.refresh({self.root})

    def dismantle(self) -> None:
        """Let go of everything that is followed."""
        for wanted in (*self._groups, *self._leaves, self.root):
            self._maker.unfollow(wanted, self.root)

    def refresh(self, suspects: Collection[Call]) -> Slices[bool]:
        """Bring the tables up to date after the calls in ``suspects`` may have changed, in slices; whether any did."""
        pending: dict[Call, None] = {}
        gone: dict[Call, None] = {}
        if self.root in suspects:
            yield from self._regroup(pending, gone)
        for group in self._own(self._groups, suspects):
            self._releaf(group, pending, gone)
        pending.update(dict.fromkeys(self._own(self._leaves, suspects)))
        changes: dict[str, dict[str, Resource | None]] = {}
        for leaf in gone:
            if not self._users.get(leaf):
                self._users.pop(leaf, None)
                if leaf in self._leaves:
                    _note(changes, self._leaves.pop(leaf), ())
                    self._maker.unfollow(leaf, self.root)
        for count, leaf in enumerate(pending):
            if self._users.get(leaf):
                self._remake(leaf, changes)
            if count % _LEAVES_A_SLICE == 0:
                yield
        return self._patch(changes)

    @staticmethod
    def _own(known: dict[Call, tuple[Call, ...]] | dict[Call, Resources], suspects: Collection[Call]) -> list[Call]:
        fewer, more = (suspects, known) if len(suspects) < len(known) else (known, suspects)
        return [each for each in fewer if each in more]

    def _remake(self, leaf: Call, changes: dict[str, dict[str, Resource | None]]) -> None:
        before = self._leaves.get(leaf)
        if before is None:
            self._maker.follow(leaf, self.root)
        made = self._maker.resources(leaf)
        _note(changes, before or (), made)
        self._leaves[leaf] = made

    def _regroup(self, pending: dict[Call, None], gone: dict[Call, None]) -> Slices[None]:
        wanted = dict.fromkeys(self._maker.calls(self.root))
        for group in [group for group in self._groups if group not in wanted]:
            self._drop(self._groups.pop(group), gone)
            self._maker.unfollow(group, self.root)
        for count, group in enumerate(group for group in wanted if group not in self._groups):
            self._groups[group] = ()
            self._maker.follow(group, self.root)
            self._releaf(group, pending, gone)
            if count % _LEAVES_A_SLICE == 0:
                yield

    def _releaf(self, group: Call, pending: dict[Call, None], gone: dict[Call, None]) -> None:
        before, after = self._groups[group], self._maker.calls(group)
        if after is before:
            return
        self._groups[group] = after
        for leaf in after:
            self._users[leaf] = self._users.get(leaf, 0) + 1
            if leaf not in self._leaves:
                pending[leaf] = None
        self._drop(before, gone)

    def _drop(self, leaves: Iterable[Call], gone: dict[Call, None]) -> None:
        for leaf in leaves:
            self._users[leaf] -= 1
            if not self._users[leaf]:
                gone[leaf] = None

    def _patch(self, changes: dict[str, dict[str, Resource | None]]) -> bool:
        different = False
        for type_url, named in changes.items():
            before = self.tables.get(type_url, EMPTY)
            after = before.patched(named)
            different |= after is not before
            self.tables[type_url] = after
        return different


class Overlay:
    """Two layers as one: what ``over`` makes takes the place of what ``base`` makes under the same name.

    Types of which ``over`` makes nothing are the base's own tables, shared with everybody.
    """

    def __init__(self, base: Layer, over: Layer) -> None:
        self._base = base
        self._over = over
        self._seen: dict[str, tuple[Table, Table, Table]] = {}  # base's, over's, and the two as one

    def tables(self) -> dict[str, Table]:
        """The tables, by type; the same ones as before where neither layer's are others."""
        found = dict(self._base.tables)
        for type_url, over in self._over.tables.items():
            base = found.get(type_url, EMPTY)
            was_base, was_over, joined = self._seen.get(type_url, (EMPTY, EMPTY, EMPTY))
            if base is not was_base or over is not was_over:
                names = base.touched_since(was_base) | over.touched_since(was_over)
                joined = joined.patched({name: over.get(name) or base.get(name) for name in names})
                self._seen[type_url] = (base, over, joined)
            found[type_url] = joined
        return found


def _note(changes: dict[str, dict[str, Resource | None]], before: Resources, after: Resources) -> None:
    if after is before:
        return
    for resource in before:
        changes.setdefault(resource.type_url, {}).setdefault(resource.name, None)
    for resource in after:
        changes.setdefault(resource.type_url, {})[resource.name] = resource
