"""The mesh's CA while a control plane runs: its state as stored, who signs now, a rotation of the root step by step.

What is stored is what holds: another process may start a rotation (``plait ca rotate-root``), and this one carries it
out; of several control planes the one whose step is saved first has made it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from ca.authority import Authority
from ca.errors import CaError, Conflict
from ca.rotation import Holder, step
from ca.state import CaState, findings
from ca.store import Store, open_or_create
from ca.trust import TrustBundle
from xds.events import Event

log = structlog.get_logger()

_LOOK_AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class CaReport:
    """What people are told of the CA: fingerprints of roots, the phase and what holds it, and what is about to end."""

    phase: str
    since: datetime
    signer: str
    roots: tuple[str, ...]
    not_after: datetime
    blocked_by: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class MeshCa:
    """Follows the state in ``store``; ``changed`` is told of each new one, and of the first."""

    def __init__(self, store: Store, changed: Callable[[CaState], None]) -> None:
        self._store = store
        self._changed = changed
        self._state: CaState | None = None
        self._blocked_by: tuple[str, ...] = ()

    @property
    def state(self) -> CaState:
        """The state that holds now. RuntimeError before ``open``."""
        if self._state is None:
            raise RuntimeError("the CA is not open")
        return self._state

    async def open(self) -> None:
        """Load the state; where there is none, a self-signed root is made and stored.

        Errors: ca.errors.Unusable, which says in words what is wrong: a key that does not match, an expired root, a
        clock that is off; OSError.
        """
        self._use(await asyncio.to_thread(open_or_create, self._store, datetime.now(UTC)))

    def authority(self, trust_domain: str, more: TrustBundle) -> Authority:
        """Who signs for that trust domain now, and whom it says to believe: its own roots, and ``more``."""
        return Authority(self.state.signer, trust_domain, self.state.roots | more)

    async def follow(self, holders: Callable[[], Iterable[Holder]]) -> None:
        """Keep up with the store, and carry a rotation on as far as ``holders`` allow, for ever."""
        while True:
            try:
                await self._refresh()
                await self._step(holders)
            except (CaError, OSError) as error:
                log.error(Event.CA_UNUSABLE, reason=str(error))
            await asyncio.sleep(_LOOK_AGAIN_S)

    def report(self) -> CaReport:
        """What people are told."""
        state = self.state
        return CaReport(
            phase=state.phase.value,
            since=state.since,
            signer=state.signer.root_fingerprint,
            roots=state.roots.fingerprints,
            not_after=state.signer.not_after,
            blocked_by=self._blocked_by,
            warnings=findings(state, datetime.now(UTC)).warnings,
        )

    async def _refresh(self) -> None:
        if await asyncio.to_thread(self._store.version) == self.state.version:
            return
        stored = await asyncio.to_thread(self._store.load)
        if stored is not None:
            self._use(stored)

    async def _step(self, holders: Callable[[], Iterable[Holder]]) -> None:
        made = step(self.state, holders() if self.state.next is not None else (), datetime.now(UTC))
        if made.blocked_by != self._blocked_by:
            self._blocked_by = made.blocked_by
            if made.blocked_by:
                held = made.blocked_by[:10]
                log.info(Event.ROOT_ROTATION_HELD, phase=self.state.phase.value, by=held, holders=len(made.blocked_by))
        if made.next is None:
            return
        try:
            self._use(await asyncio.to_thread(self._store.save, made.next))
        except Conflict:  # another control plane has made it, or an operator something else: it is loaded next
            return

    def _use(self, state: CaState) -> None:
        before, self._state = self._state, state
        self._changed(state)
        if before is not None and before.phase is not state.phase:
            log.info(Event.ROOT_ROTATION_ADVANCED, phase=state.phase.value, signer=state.signer.root_fingerprint)
