"""Replacing the root without a failed handshake, as a pure state machine: no clock, no network, no store.

    STABLE ── start ──> DISTRIBUTING ── all trust both ──> SIGNING ── nobody has an old certificate ──> STABLE (new)
                             │ abort                          │ abort      ^ resume
                             v                                v            │
                        STABLE (old) <── nobody has a new certificate ── ABORTING

What it rests on: a control plane sends a workload the bundle before the certificate, and answers ``step`` with every
workload that may have a valid certificate, also those that are not connected just now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from ca.chain import PluggedIn
from ca.errors import WrongPhase
from ca.issuer import Issuer
from ca.state import CaState, Phase
from ca.trust import TrustBundle
from ca.validity import check, stamp


@dataclass(frozen=True, slots=True)
class Holder:
    """A workload, by what is known for sure about it. Roots are SHA-256 fingerprints.

    ``roots``: those it trusts whichever of the bundles sent to it is in force there: what it has acknowledged, less
    what a bundle that it was sent since has not. ``issuer``: the root of the certificate it has acknowledged, empty for
    none. ``pending``: the roots of those it was sent since. ``expires_at``: when the last of all these certificates
    ends; a workload without a valid certificate talks to nobody, so it holds nothing up.
    """

    name: str
    roots: frozenset[str]
    issuer: str
    expires_at: datetime
    pending: frozenset[str] = frozenset()

    def may_present(self, root: str) -> bool:
        """Whether a certificate of ``root`` may be in use there."""
        return self.issuer == root or root in self.pending


@dataclass(frozen=True, slots=True)
class Step:
    """``next``: the state to save, None to stay. ``blocked_by``: why it stays, a sentence for each that holds it.

    ``holders``: the names of the workloads that do.
    """

    next: CaState | None = None
    blocked_by: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()


def start(state: CaState, issuer: Issuer, now: datetime) -> CaState:
    """``state`` with ``issuer`` to come. Errors: WrongPhase when a rotation is under way, or the root is in force."""
    if state.next is not None:
        raise WrongPhase(
            f"the root is being replaced by {_short(state.next.root_fingerprint)} since {stamp(state.since)} "
            f"({state.phase}): wait for it, or abort it"
        )
    if issuer.root_fingerprint == state.active.root_fingerprint:
        raise WrongPhase(f"{_short(issuer.root_fingerprint)} is the root already")
    return _made(state, Phase.DISTRIBUTING, now, state.active, issuer)


def abort(state: CaState, now: datetime) -> CaState:
    """``state`` on its way back to the old root. Errors: WrongPhase when there is nothing to abort."""
    if state.phase is Phase.DISTRIBUTING:  # nobody has a certificate of the new root
        return _made(state, Phase.STABLE, now, state.active, None)
    if state.phase is Phase.SIGNING:
        return replace(state, phase=Phase.ABORTING, since=now)
    raise WrongPhase("no rotation of the root is under way" if state.next is None else "it is being aborted already")


def resume(state: CaState, now: datetime) -> CaState:
    """``state`` signing with the new root after all. Errors: WrongPhase when no abort is under way."""
    if state.phase is not Phase.ABORTING:
        raise WrongPhase("no rotation of the root is being aborted")
    return replace(state, phase=Phase.SIGNING, since=now)  # all trust both roots since before the abort


def step(state: CaState, holders: Iterable[Holder], now: datetime) -> Step:
    """One step onward, if nothing holds it."""
    if state.next is None:
        return Step()
    valid = sorted((holder for holder in holders if now < holder.expires_at), key=lambda holder: holder.name)
    old, new = state.active.root_fingerprint, state.next.root_fingerprint
    wrong: tuple[str, ...] = ()
    if state.phase is Phase.DISTRIBUTING:
        held, wrong = tuple(_not_trusting(valid, (old, new))), _not_valid(state.next, now)
        onward = replace(state, phase=Phase.SIGNING, since=now)
    elif state.phase is Phase.SIGNING:
        held = tuple(_presenting(valid, old))
        onward = _made(state, Phase.STABLE, now, state.next, None)
    else:
        held = tuple(_presenting(valid, new))
        onward = _made(state, Phase.STABLE, now, state.active, None)
    if not held and not wrong:
        return Step(onward)
    return Step(blocked_by=(*(why for _, why in held), *wrong), holders=tuple(name for name, _ in held))


def adopt(state: CaState, plugged_in: PluggedIn, now: datetime) -> CaState:
    """``state`` after the operator replaced the files of a plugged-in CA; the same state when nothing is new in them.

    A new root starts a rotation, the old one's return aborts it; a new issuer below a known root just takes over.
    Errors: WrongPhase when a third root comes while one is being replaced.
    """
    issuer, root = plugged_in.issuer, plugged_in.issuer.root_fingerprint
    state = replace(state, more_roots=plugged_in.roots - _own(state.active, state.next))
    if root == state.active.root_fingerprint:
        if state.phase in {Phase.DISTRIBUTING, Phase.SIGNING}:
            state = abort(state, now)
        return state if issuer == state.active else replace(state, active=issuer)
    if state.next is None:
        return start(state, issuer, now)
    if root != state.next.root_fingerprint:
        raise WrongPhase(
            f"{_short(root)} cannot become the root while {_short(state.active.root_fingerprint)} is being replaced by "
            f"{_short(state.next.root_fingerprint)} ({state.phase}): wait for that, or put either of them back"
        )
    if state.phase is Phase.ABORTING:
        state = resume(state, now)
    return state if issuer == state.next else replace(state, next=issuer)


def _made(state: CaState, phase: Phase, now: datetime, active: Issuer, following: Issuer | None) -> CaState:
    more = state.more_roots - _own(active, following)
    return CaState(active, now, following, phase, more, state.version)


def _own(active: Issuer, following: Issuer | None) -> TrustBundle:
    return TrustBundle.of(issuer.root for issuer in (active, following) if issuer is not None)


def _not_trusting(holders: Iterable[Holder], roots: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Who does not trust both, and that in words."""
    for holder in holders:
        missing = [root for root in roots if root not in holder.roots]
        if missing:
            names = " and ".join(_short(root) for root in missing)
            until = stamp(holder.expires_at)
            yield (
                holder.name,
                f"{holder.name} has not acknowledged root {names}; its certificate is valid until {until}",
            )


def _presenting(holders: Iterable[Holder], root: str) -> Iterator[tuple[str, str]]:
    """Who may present a certificate of it, and that in words."""
    for holder in holders:
        if holder.may_present(root):
            until = stamp(holder.expires_at)
            yield holder.name, f"{holder.name} may have a certificate of root {_short(root)}, until {until}"


def _not_valid(issuer: Issuer, now: datetime) -> tuple[str, ...]:
    return check([("the new CA's certificate", each) for each in issuer.path], now).problems


def _short(fingerprint: str) -> str:
    return fingerprint[:12]
