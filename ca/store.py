"""Where a CA's state is kept: one small interface, and what every store shares."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Protocol

from ca.chain import PluggedIn
from ca.errors import Conflict, Unusable
from ca.issuer import self_signed
from ca.keys import KeyKind
from ca.rotation import adopt
from ca.state import CaState, findings


class Store(Protocol):
    """Keeps one CA's state. Calls may block on a disk or a network.

    Errors: Unusable when what is stored cannot be read; OSError or the client's own when it cannot be reached.
    """

    def load(self) -> CaState | None:
        """What is stored, with its version; None when nothing is."""

    def save(self, state: CaState) -> CaState:
        """Store ``state`` in place of the version that it carries, all or nothing; comes back with its new version.

        Errors: Conflict when what is stored has another version.
        """

    def version(self) -> str | None:
        """The version of what is stored, cheaper than ``load``: one who watches asks this often."""


class MemoryStore:
    """Keeps the state as long as the process runs."""

    def __init__(self) -> None:
        self._state: CaState | None = None

    def load(self) -> CaState | None:
        """What was saved last."""
        return self._state

    def save(self, state: CaState) -> CaState:
        """Keep ``state``. Errors: Conflict."""
        if state.version != self.version():
            raise conflict()
        self._state = replace(state, version=str(int(state.version or 0) + 1))
        return self._state

    def version(self) -> str | None:
        """A number that grows."""
        return None if self._state is None else self._state.version


def conflict() -> Conflict:
    """What ``save`` raises."""
    return Conflict("somebody else has changed the CA's state meanwhile: try again")


def open_or_create(store: Store, now: datetime, kind: KeyKind = KeyKind.P256) -> CaState:
    """What ``store`` holds; a new self-signed root, stored first, when it is empty.

    Errors: Unusable when it cannot sign now: broken, expired, or the clock is off.
    """
    state = store.load()
    if state is None:
        try:
            state = store.save(CaState(self_signed(now, kind), now))
        except Conflict:  # another one was quicker: its root is the root
            return open_or_create(store, now, kind)
    return _usable(state, now)


def open_plugged_in(store: Store, plugged_in: PluggedIn, now: datetime) -> CaState:
    """What ``store`` holds once the plugged-in CA is adopted: on the way to its root, where it has another one.

    Errors: Unusable; WrongPhase when a third root comes while one is being replaced; Conflict.
    """
    stored = store.load()
    state = CaState(plugged_in.issuer, now) if stored is None else stored
    adopted = adopt(state, plugged_in, now)
    return _usable(adopted if adopted == stored else store.save(adopted), now)


def _usable(state: CaState, now: datetime) -> CaState:
    problems = findings(state, now).problems
    if problems:
        raise Unusable(*problems)
    return state
