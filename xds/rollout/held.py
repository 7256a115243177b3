"""Objects that are another than what all proxies are served: what each was, what it is to be, and why it is not yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from xds.decoders.shape.stored import NotTheSame
from xds.model.refs import ObjectRef
from xds.rollout.kept import Kept, digest_of, version_of
from xds.rollout.marks import ANNOTATION, AT_ONCE, STAGED, can_be_staged, staged
from xds.sources.changes import AuthoredObject
from xds.sources.store import ObjectStore


class State(StrEnum):
    """How far an object is that is held back."""

    WAITING = "waiting"
    ROLLING = "rolling out"
    ABORTED = "aborted"


@dataclass(slots=True)
class Held:
    """An object that is held back. ``good`` is what proxies are served of it, ``new`` what it is to be; None: gone."""

    good: AuthoredObject | None
    new: AuthoredObject | None
    state: State = State.WAITING
    reason: str = ""
    _version: str = field(default="", repr=False)

    @property
    def version(self) -> str:
        """By what control planes tell what it is to be from other versions."""
        if not self._version:
            self._version = version_of(self.new)
        return self._version


Known = list[tuple[ObjectRef, AuthoredObject | None]]


class HeldObjects:
    """Sorts out changes: what all proxies are to have now, and what rolls out in steps, by ``mode`` (``marks``).

    The first that is sorted out is the whole mesh at a start: nothing is held back of it but what ``kept`` tells of.
    """

    def __init__(self, store: ObjectStore, mode: str, kept: Mapping[ObjectRef, Kept]) -> None:
        self._store = store
        self._mode = mode
        self.kept = dict(kept)
        """What is known from before the start; read when the first is sorted out."""
        self._begun = False
        self._good: dict[ObjectRef, AuthoredObject] = {}
        self._released: set[ObjectRef] = set()
        self._versions: dict[ObjectRef, tuple[AuthoredObject | None, str]] = {}
        self.held: dict[ObjectRef, Held] = {}
        self.misspelt: dict[ObjectRef, str] = {}
        """What objects have in the annotation that says nothing."""
        self.disturbed = False
        """Set when an object that rolls out has changed meanwhile."""
        self.news = False
        """Set when other objects are held back than before."""
        self.disturbers: set[str] = set()
        """Namespaces in which objects have changed while they rolled out."""

    @property
    def begun(self) -> bool:
        """Whether the whole mesh was sorted out."""
        return self._begun

    @property
    def waiting(self) -> list[ObjectRef]:
        """Those that are to roll out when there is time."""
        return [ref for ref, each in self.held.items() if each.state is State.WAITING]

    @property
    def rolling(self) -> list[ObjectRef]:
        """Those that roll out now."""
        return [ref for ref, each in self.held.items() if each.state is State.ROLLING]

    @property
    def releasing(self) -> bool:
        """Whether some are let through that nobody has sorted out since."""
        return bool(self._released)

    def versions(self) -> dict[ObjectRef, str]:
        """The version that each of those is to be that are held back."""
        return {ref: each.version for ref, each in self.held.items()}

    def version_now(self, ref: ObjectRef) -> str:
        """The version of an object that there is now."""
        found = self._store.get(ref)
        known, version = self._versions.get(ref, (None, ""))
        if not version or known is not found:
            version = version_of(found)
            self._versions[ref] = (found, version)
        return version

    def turn(self, refs: Iterable[ObjectRef], state: State, reason: str = "") -> None:
        """Note how far these are, as far as they are held back."""
        for ref in refs:
            if ref in self.held:
                self.held[ref].state, self.held[ref].reason = state, reason
                self.news = True

    def release(self, refs: Iterable[ObjectRef]) -> None:
        """Let these through when they are sorted out next."""
        self._released.update(ref for ref in refs if ref in self.held)

    def sorted_out(self, refs: Iterable[ObjectRef]) -> Known:
        """What of these all proxies are to have now: the object, or None where it is to be gone."""
        wanted = dict.fromkeys(refs)
        if not self._begun:
            self._begun = True
            return self._first(wanted)
        found: Known = []
        for ref in wanted:
            now = self._store.get(ref)
            if not can_be_staged(ref):
                found.append((ref, now))
                continue
            self._read(ref, now)
            if self._is_released(ref, now) or not self._stays_back(ref, now):
                self._let(ref, now)
                found.append((ref, now))
        return found

    def _first(self, refs: Mapping[ObjectRef, None]) -> Known:
        found: Known = []
        for ref in {**refs, **dict.fromkeys(self.kept)}:
            now, kept = self._store.get(ref), self.kept.get(ref)
            if can_be_staged(ref):
                self._read(ref, now)
            if kept is not None and self._marked(now, kept.good):
                same = _same(now, kept)
                state = State.ABORTED if same and kept.aborted else State.WAITING
                self.held[ref] = Held(kept.good, now, state, kept.aborted if same else "")
                self.news, now = True, kept.good
            if now is not None:
                found.append((ref, now))
                if can_be_staged(ref):
                    self._good[ref] = now
        self.kept = {}
        return found

    def _read(self, ref: ObjectRef, now: AuthoredObject | None) -> None:
        said = "" if now is None else now.struct.metadata.annotations.get(ANNOTATION, "")
        if said in ("", STAGED, AT_ONCE):
            self.misspelt.pop(ref, None)
        else:
            self.misspelt[ref] = said

    def _is_released(self, ref: ObjectRef, now: AuthoredObject | None) -> bool:
        released = ref in self._released
        self._released.discard(ref)
        return released and ref in self.held and _alike(self.held[ref].new, now)

    def _stays_back(self, ref: ObjectRef, now: AuthoredObject | None) -> bool:
        known, good = self.held.get(ref), self._good.get(ref)
        if known is not None and _alike(known.new, now):
            return True
        if known is not None and known.state is State.ROLLING:
            self.disturbed = True
            self.disturbers.add(ref.namespace)
        if not self._marked(now, good) or _alike(good, now):
            return False
        self.held[ref] = Held(good, now)
        self.news = True
        return True

    def _let(self, ref: ObjectRef, now: AuthoredObject | None) -> None:
        self.news |= self.held.pop(ref, None) is not None
        if now is None:
            self._good.pop(ref, None)
        else:
            self._good[ref] = now

    def _marked(self, now: AuthoredObject | None, good: AuthoredObject | None) -> bool:
        """Whether the change is to be held back: as the object says, or did where it is gone."""
        said = now or good
        return said is not None and can_be_staged(said.ref) and staged(said.ref, said.struct, self._mode)


def _alike(one: AuthoredObject | None, other: AuthoredObject | None) -> bool:
    return one is other or (one is not None and other is not None and one.struct == other.struct)


def _same(now: AuthoredObject | None, kept: Kept) -> bool:
    try:
        return digest_of(now) == kept.digest
    except NotTheSame:
        return False
