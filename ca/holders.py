"""Who may hold which certificate and trust which roots: what was sent, less what is not known to have arrived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar

from ca.rotation import Holder

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

    @property
    def expires_at(self) -> datetime:
        """When the last of the certificates ends that it may have."""
        known, pending = self.certificates.known, self.certificates.unknown.values()
        return max((expires_at for _, expires_at in (*([known] if known else []), *pending)), default=_NEVER)


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
        """Its stream has ended: ``forget_ended`` is for it, unless it is sent something again."""
        if name in self._workloads:
            self._workloads[name].connected = False

    def gone(self, name: str) -> None:
        """The workload is known to be no more, and its certificate with it."""
        self._workloads.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._workloads))

    def valid(self, now: datetime) -> tuple[Holder, ...]:
        """All that may have a valid certificate, by name."""
        known = sorted(self._workloads.items())
        return tuple(_holder(name, workload) for name, workload in known if now < workload.expires_at)

    def forget_ended(self, now: datetime) -> None:
        """Forget those that are not connected and have no valid certificate: they hold nothing up."""
        self._workloads = {
            name: workload
            for name, workload in self._workloads.items()
            if workload.connected or now < workload.expires_at
        }

    def _workload(self, name: str) -> _Workload:
        workload = self._workloads.setdefault(name, _Workload())
        workload.connected = True
        return workload

    def _sent(self, kind: _Sent[T], value: T) -> int:
        self._marks += 1
        kind.unknown[self._marks] = value
        return self._marks


def _holder(name: str, workload: _Workload) -> Holder:
    roots = workload.bundles.known or frozenset()
    for bundle in workload.bundles.unknown.values():
        roots &= bundle
    known, pending = workload.certificates.known, workload.certificates.unknown.values()
    return Holder(
        name,
        roots,
        known[0] if known else "",
        workload.expires_at,
        frozenset(root for root, _ in pending),
    )
