"""The object store: the current good version of every object, from all sources together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from xds.model.problem import Problem
from xds.model.refs import FieldRef, ObjectRef
from xds.sources.changes import AuthoredObject, Changed, Replaced, Transaction


@dataclass(slots=True)
class _Held:
    """What one source holds."""

    objects: dict[ObjectRef, AuthoredObject] = field(default_factory=dict)
    problems: dict[str, tuple[Problem, ...]] = field(default_factory=dict)
    synced: bool = False


class ObjectStore:
    """The current objects by name. An object keeps its identity for as long as its content stays the same.

    Shape: ``sources`` are their names; where two hold an object of one name, that of the earlier source counts.
    """

    def __init__(self, sources: Iterable[str]) -> None:
        self._held = {source: _Held() for source in sources}
        self._kinds: dict[tuple[str, str], dict[ObjectRef, AuthoredObject]] = {}

    @property
    def synced(self) -> bool:
        """Whether every source has said all it holds, so that what is missing here does not exist."""
        return all(held.synced for held in self._held.values())

    def apply(self, change: Transaction) -> frozenset[ObjectRef]:
        """The names of the objects whose content is now different: new, changed or gone.

        Errors: KeyError for a source that the store was not made for.
        """
        held = self._held[change.source]
        if isinstance(change, Replaced):
            upserts = change.objects
            present = {found.ref for found in upserts} | change.kept
            deletes = tuple(ref for ref in held.objects if ref not in present)
            held.problems = {place: found for place, found in change.problems.items() if found}
            held.synced = True
        else:
            upserts, deletes = change.upserts, change.deletes
            _update_problems(held.problems, change)
        touched = [ref for ref in deletes if held.objects.pop(ref, None) is not None]
        for found in upserts:
            held.objects[found.ref] = _numbered(found, held.objects.get(found.ref))
            touched.append(found.ref)
        return frozenset(ref for ref in touched if self._settle(ref))

    def _settle(self, ref: ObjectRef) -> bool:
        """Makes the first source's version of ``ref`` current; whether its content changed by that."""
        now = next((held.objects[ref] for held in self._held.values() if ref in held.objects), None)
        of_kind = self._kinds.setdefault((ref.group, ref.kind), {})
        before = of_kind.get(ref)
        if now is None:
            return of_kind.pop(ref, None) is not None
        of_kind[ref] = now
        return before is None or before.struct is not now.struct

    def get(self, ref: ObjectRef) -> AuthoredObject | None:
        """The current version of an object; None when there is none."""
        return self._kinds.get((ref.group, ref.kind), {}).get(ref)

    def where(self, ref: ObjectRef) -> str:
        """Where an object was read; ``""`` when it is gone."""
        found = self.get(ref)
        return str(found.origin) if found is not None else ""

    def of_kind(self, group: str, kind: str) -> tuple[AuthoredObject, ...]:
        """All objects of a kind, by namespace and name."""
        found = self._kinds.get((group, kind), {})
        return tuple(found[ref] for ref in sorted(found))

    def __iter__(self) -> Iterator[AuthoredObject]:
        """All objects, by group, kind, namespace and name."""
        for group, kind in sorted(self._kinds):
            yield from self.of_kind(group, kind)

    def __len__(self) -> int:
        return sum(len(found) for found in self._kinds.values())

    def problems(self) -> tuple[Problem, ...]:
        """What the sources have found, by source and place; and objects that a later source holds in vain."""
        found = [
            problem
            for held in self._held.values()
            for place in sorted(held.problems)
            for problem in held.problems[place]
        ]
        for source, held in self._held.items():
            found += self._outdone(source, held)
        return tuple(found)

    def _outdone(self, source: str, held: _Held) -> Iterator[Problem]:
        """The findings about objects of ``source`` that an earlier source holds too."""
        if source == next(iter(self._held)):
            return
        for ref, mine in held.objects.items():
            current = self.get(ref)
            if current is not None and current is not mine:
                yield duplicate(mine, current)


def duplicate(second: AuthoredObject, first: AuthoredObject) -> Problem:
    """The finding about an object that is there twice."""
    message = f"is there twice: the one at {first.origin} counts, this one has no effect"
    return Problem(FieldRef(second.ref), "object.duplicate", message, origin=second.origin)


def _update_problems(problems: dict[str, tuple[Problem, ...]], change: Changed) -> None:
    """Puts the new findings of each place for its old ones."""
    for place, found in change.problems.items():
        if found:
            problems[place] = found
        else:
            problems.pop(place, None)


def _numbered(found: AuthoredObject, before: AuthoredObject | None) -> AuthoredObject:
    """``found`` with the old struct when its content is the same, and with a generation when its source has none."""
    same = before is not None and before.struct == found.struct
    struct = before.struct if before is not None and same else found.struct
    generation = found.generation
    if not generation:
        generation = 1 if before is None else before.generation + (0 if same else 1)
    if before is not None and same and before.origin == found.origin and before.generation == generation:
        return before
    return replace(found, struct=struct, generation=generation)
