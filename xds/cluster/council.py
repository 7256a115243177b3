"""Several control planes and one CA: the leader alone carries a rotation of the root on, when all others agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

MOUNTED: Final = timedelta(minutes=3)
"""How long kubelets take to bring a ConfigMap that has changed into pods: their cache and their period, twice."""


class Election(Protocol):
    """Who tells the leader from the others."""

    @property
    def leading(self) -> bool:
        """Whether this control plane leads now."""
        ...


class Counsels(Protocol):
    """What control planes have said of their CA."""

    @property
    def ca(self) -> Mapping[str, Mapping[str, Any]]:
        """What each that is alive says, by its pod; the leader only hears it."""
        ...


@dataclass(frozen=True, slots=True)
class Counsel:
    """What one control plane says: the version of the CA's state that it works with, whom it knows not to be ready for
    the next step, and during a rotation who is connected to it.
    """

    version: str
    held_up_by: tuple[str, ...] = ()
    connected: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As JSON types."""
        return {"version": self.version, "heldUpBy": list(self.held_up_by), "connected": list(self.connected)}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Counsel:
        """What ``plain`` says; that of an unknown version where it says nothing that can be understood."""
        return cls(str(plain.get("version", "")), _texts(plain, "heldUpBy"), _texts(plain, "connected"))


class Council:
    """The control planes of one mesh, as ``own`` (its pod) sees them.

    ``told`` answer whether those who are told of roots by other ways than their proxies know the current ones.
    """

    def __init__(self, election: Election, counsels: Counsels, own: str) -> None:
        self._election = election
        self._counsels = counsels
        self._own = own
        self.told: list[Callable[[], bool]] = []

    @property
    def leading(self) -> bool:
        """Whether this one leads: it answers for proxies that nobody has seen."""
        return self._election.leading

    def agrees(self, version: str) -> bool:
        """Whether this one may take the CA from that version to the next."""
        spoken = self._counsels.ca
        if not self.leading or self._own not in spoken:  # until its own is there, it has not heard all
            return False
        if not all(told() for told in self.told):
            return False
        counsels = {pod: Counsel.of(said) for pod, said in spoken.items()}
        others = [(pod, each) for pod, each in counsels.items() if pod != self._own]
        return all(each.version == version and not _held_up(pod, counsels) for pod, each in others)

    def connected_elsewhere(self) -> frozenset[str]:
        """The proxies (``namespace/name``) that are connected to others, which answer for them."""
        others = (Counsel.of(said) for pod, said in self._counsels.ca.items() if pod != self._own)
        return frozenset(label for each in others for label in each.connected)


def _held_up(pod: str, counsels: Mapping[str, Counsel]) -> bool:
    """Whether somebody holds ``pod`` up for whom no other answers: what left it for another is that one's to judge."""
    answered = {label for other, each in counsels.items() if other != pod for label in each.connected}
    own = set(counsels[pod].connected)
    return any(label in own or label not in answered for label in counsels[pod].held_up_by)


def _texts(plain: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = plain.get(key)
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()
