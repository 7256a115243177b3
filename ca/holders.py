"""Who may hold which certificate and trust which roots: what was sent, less what is not known to have arrived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

from ca.rotation import Holder
from ca.state import CaState

T = TypeVar("T")

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Sent(Generic[T]):
    """What one workload was sent of one kind: the last that it acknowledged, and all since, by mark."""

    known: T | None = None
    unknown: dict[int, T] = field(default_factory=dict)

    def acknowledged(self, mark: int) -> None:
        if mark in self.unknown:
            self.known = self.unknown[mark]
            self.unknown = {later: value for later, value in self.unknown.items() if later > mark}


@dataclass(slots=True)
class _Workload:
    bundles: _Sent[frozenset[str]] = field(default_factory=_Sent)
    certificates: _Sent[tuple[str, datetime]] = field(default_factory=_Sent)
    connected: bool = True


class Holders:
    """Keeps for every workload what ``rotation.step`` has to know, also when it is not connected.

    A mark stands for one thing sent. What was lost with a connection just stays unknown, until something that was sent
    later is acknowledged.
    """

    def __init__(self) -> None:
        self._workloads: dict[str, _Workload] = {}
        self._marks = 0

    def bundle_sent(self, name: str, roots: Iterable[str]) -> int:
        """The mark of a bundle of these roots (SHA-256), sent to the workload ``name`` just now."""
        return self._sent(self._workload(name).bundles, frozenset(roots))

    def certificate_sent(self, name: str, root: str, expires_at: datetime) -> int:
        """The mark of a certificate that leads to ``root``."""
        return self._sent(self._workload(name).certificates, (root, expires_at))

    def acknowledged(self, name: str, mark: int) -> None:
        """The workload has it in force, and nothing of the kind that was sent before."""
        if name in self._workloads:
            self._workloads[name].bundles.acknowledged(mark)
            self._workloads[name].certificates.acknowledged(mark)

    def disconnected(self, name: str) -> None:
        """Its stream has ended: it is forgotten once it has no valid certificate, unless it is sent something again."""
        if name in self._workloads:
            self._workloads[name].connected = False

    def gone(self, name: str) -> None:
        """The workload is known to be no more, and its certificate with it."""
        self._workloads.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._workloads))

    def valid(self, now: datetime) -> tuple[Holder, ...]:
        """All that may have a valid certificate, by name."""
        found = [_holder(name, workload) for name, workload in sorted(self._workloads.items())]
        held = tuple(holder for holder in found if now < holder.expires_at)
        names = {holder.name for holder in held}
        self._workloads = {key: one for key, one in self._workloads.items() if one.connected or key in names}
        return held

    def _workload(self, name: str) -> _Workload:
        workload = self._workloads.setdefault(name, _Workload())
        workload.connected = True
        return workload

    def _sent(self, kind: _Sent[T], value: T) -> int:
        self._marks += 1
        kind.unknown[self._marks] = value
        return self._marks


def before(state: CaState, until: datetime) -> Holder:
    """Stands for the workloads that a control plane knows nothing of because it has just started.

    ``until``: when the last certificate of its predecessor ends; none is longer than the lifetime that it gives.
    """
    following = () if state.next is None else (state.next.root_fingerprint,)
    return Holder(
        "a workload of before the control plane's start",
        frozenset(),
        state.active.root_fingerprint,
        until,
        frozenset(following),
    )


def _holder(name: str, workload: _Workload) -> Holder:
    roots = workload.bundles.known or frozenset()
    for bundle in workload.bundles.unknown.values():
        roots &= bundle
    known, pending = workload.certificates.known, workload.certificates.unknown.values()
    held = [*([known] if known else []), *pending]
    return Holder(
        name,
        roots,
        known[0] if known else "",
        max((expires_at for _, expires_at in held), default=_NEVER),
        frozenset(root for root, _ in pending),
    )
