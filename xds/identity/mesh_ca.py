"""The mesh's CA while a control plane runs: its state as stored, who signs now, a rotation of the root step by step.

What is stored is what holds: another process may start a rotation (``plait ca rotate-root``), and this one carries it
out; of several control planes the one whose step is saved first has made it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from ca.authority import Authority
from ca.errors import CaError, Conflict, Unusable
from ca.rotation import Holder, step
from ca.state import CaState, Phase, findings
from ca.store import Store, open_or_create, open_plugged_in
from ca.trust import TrustBundle
from xds.admin.status import CaReport
from xds.cluster.council import MOUNTED, Council, Counsel
from xds.events import Event
from xds.identity.plugged_in import PluggedInFiles

log = structlog.get_logger()

_LOOK_AGAIN_S: Final = 1.0
_PATIENCE: Final = timedelta(minutes=1)
_TOLD: Final = 10


class MeshCa:
    """Follows the state in ``store``; ``changed`` is told of each new one, and of the first.

    With ``plugged_in`` files the CA is what they hold: new ones are adopted, by way of a rotation for another root.
    With a ``council`` of several control planes only their leader takes a step, when all of them agree.
    """

    def __init__(
        self,
        store: Store,
        changed: Callable[[CaState], None],
        plugged_in: PluggedInFiles | None = None,
        council: Council | None = None,
    ) -> None:
        self._store = store
        self._council = council
        self._changed = changed
        self._plugged_in = plugged_in
        self.made_here = False  # nobody else has ever signed with it
        self._adopted: tuple[object, ...] = ()
        self._doubts: tuple[str, ...] = ()  # about the plugged-in files
        self._trouble = ""
        self._state: CaState | None = None
        self._blocked_by: tuple[str, ...] = ()
        self._held_up_by: tuple[str, ...] = ()
        self._told: CaState | None = None

    @property
    def state(self) -> CaState:
        """The state that holds now. RuntimeError before ``open``."""
        if self._state is None:
            raise RuntimeError("the CA is not open")
        return self._state

    async def open(self) -> None:
        """Load the state; where there is none, a self-signed root is made and stored, or that of the files is.

        In a cluster an API server that does not answer is waited for.
        Errors: ca.errors.Unusable, which says in words what is wrong: a key that does not match, an expired root, a
        clock that is off; OSError.
        """
        while True:
            try:
                await self._open()
                self._trouble = ""
                return
            except OSError as error:
                if self._council is None:
                    raise
                if str(error) != self._trouble:
                    log.warning(Event.CA_UNUSABLE, reason=str(error))
                self._trouble = str(error)
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _open(self) -> None:
        if self._plugged_in is None or await asyncio.to_thread(self._plugged_in.absent):
            self.made_here = await asyncio.to_thread(self._store.version) is None
            self._use(await asyncio.to_thread(open_or_create, self._store, datetime.now(UTC)))
        else:
            await self._adopt(self._plugged_in)
        for sentence in self.report().warnings:
            log.warning(Event.CA_DOUBTED, reason=sentence)

    def authority(self, trust_domain: str, more: TrustBundle) -> Authority:
        """Who signs for that trust domain now, and whom it says to believe: its own roots, and ``more``."""
        return Authority(self.state.signer, trust_domain, self.state.roots | more)

    async def follow(self, holders: Callable[[], Awaitable[Iterable[Holder]]]) -> None:
        """Keep up with the store, and carry a rotation on as far as ``holders`` allow, for ever."""
        while True:
            try:
                await self._refresh()
                if self._plugged_in is not None and not await asyncio.to_thread(self._plugged_in.absent):
                    await self._adopt(self._plugged_in)
                await self._step(holders)
                self._trouble = ""
            except (CaError, OSError) as error:
                if str(error) != self._trouble:
                    log.error(Event.CA_UNUSABLE, reason=str(error))
                self._trouble = str(error)
            await asyncio.sleep(_LOOK_AGAIN_S)

    def counsel(self, connected: Iterable[str]) -> Counsel:
        """What other control planes must know; ``connected`` are this one's proxies."""
        rotating = self.state.next is not None
        return Counsel(self.state.version or "", self._held_up_by, tuple(connected) if rotating else ())

    def report(self) -> CaReport:
        """What people are told."""
        state = self.state
        own = findings(state, datetime.now(UTC)).warnings
        return CaReport(
            phase=state.phase.value,
            since=state.since,
            signer=state.signer.root_fingerprint,
            roots=state.roots.fingerprints,
            not_after=state.signer.not_after,
            blocked_by=self._blocked_by,
            warnings=tuple(dict.fromkeys(filter(None, (self._trouble, *self._doubts, *own)))),
        )

    async def _refresh(self) -> None:
        if await asyncio.to_thread(self._store.version) == self.state.version:
            return
        stored = await asyncio.to_thread(self._store.load)
        if stored is None:
            raise Unusable(
                "what was stored of the CA is gone; it goes on with what it has read, but a restart would make a new "
                "one: put it back"
            )
        self._use(stored)

    async def _adopt(self, files: PluggedInFiles) -> None:
        """Take what the files hold where that is new. Errors: those of ``open``; what holds stays."""
        version = await asyncio.to_thread(files.version)
        if version == self._adopted:
            return
        now = datetime.now(UTC)
        found = await asyncio.to_thread(files.load, now)
        self._use(await asyncio.to_thread(open_plugged_in, self._store, found, now))
        self._adopted, self._doubts = version, found.warnings
        log.info(Event.CA_PLUGGED_IN, signer=found.issuer.root_fingerprint, phase=self.state.phase.value)

    async def _step(self, holders: Callable[[], Awaitable[Iterable[Holder]]]) -> None:
        may_hold = await holders() if self.state.next is not None else ()
        await asyncio.sleep(0)  # of thousands both parts take a while
        made = step(self.state, may_hold, datetime.now(UTC))
        self._blocked_by, self._held_up_by = made.blocked_by, made.holders
        self._tell_holders()
        if made.next is None or not self._may_step():
            return
        try:
            self._use(await asyncio.to_thread(self._store.save, made.next))
        except Conflict:  # another control plane has made it, or an operator something else: it is loaded next
            return

    def _may_step(self) -> bool:
        """Whether nobody else, whom this control plane does not see, is in the way."""
        state = self.state
        if self._council is None:
            return True
        if state.phase is Phase.DISTRIBUTING and datetime.now(UTC) - state.since < MOUNTED:
            return False  # pods know the control plane by roots that are mounted
        return self._council.agrees(state.version or "")

    def _tell_holders(self) -> None:
        """Say who holds the rotation up, once a phase, when that is no longer what a rotation takes anyway."""
        long_ago = datetime.now(UTC) - self.state.since > _PATIENCE
        if self._blocked_by and long_ago and self._told is not self.state:
            self._told = self.state
            held = self._blocked_by[:_TOLD]
            log.warning(Event.ROOT_ROTATION_HELD, phase=self.state.phase.value, by=held, holders=len(self._blocked_by))

    def _use(self, state: CaState) -> None:
        before, self._state = self._state, state
        self._changed(state)
        if before is not None and before.phase is not state.phase:
            log.info(Event.ROOT_ROTATION_ADVANCED, phase=state.phase.value, signer=state.signer.root_fingerprint)
