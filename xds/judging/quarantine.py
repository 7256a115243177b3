"""What no proxy is to be sent: resources that Envoy's rules or the prover refuse, and what is sent instead.

It stands between the making of resources and the tables of layers. Nothing of it is asynchronous: what is still to be
judged is taken from here, and the verdicts are put back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from xds.events import Event
from xds.judging.instead import hosts_of, repaired, stand_in
from xds.view.graph import Call
from xds.wire.resource import Resource
from xds.wire.type_urls import short

log = structlog.get_logger()

Resources = tuple[Resource, ...]


class Key(NamedTuple):
    """One version of one resource."""

    type_url: str
    name: str
    version: str


def key_of(resource: Resource) -> Key:
    """The name of exactly this content."""
    return Key(resource.type_url, resource.name, resource.version)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A resource that is sent to nobody, and why, in words.

    ``bad_hosts`` are the virtual hosts of a route configuration that are to blame, where they are known; ``repaired``
    is the same resource without what is bad in it; ``otherwise`` is sent where there was no good version before.
    """

    resource: Resource
    reason: str
    bad_hosts: frozenset[str] = frozenset()
    repaired: Resource | None = None
    otherwise: Resource | None = None


class Quarantine:
    """The refused resources of all leaves, and those that are to be judged."""

    def __init__(self) -> None:
        self._refused: dict[Key, Refusal] = {}
        self._open: dict[Key, Resource] = {}
        self._holders: dict[Key, dict[Call, bool]] = {}  # True: the leaf makes it; False: it is tried instead
        self._held: dict[Call, frozenset[Key]] = {}
        self.sent: dict[Key, Resource] = {}
        """The last good versions that are sent now, by what they are sent instead of."""
        self.kept: Callable[[Resource], Resource | None] = lambda _: None
        """What was sent instead of a refused resource before a restart."""
        self.told: list[Callable[[Refusal], None]] = []
        """Who is told of what is newly refused."""
        self.changed = False
        """Set whenever other resources are refused than before."""

    @property
    def refusals(self) -> Mapping[Key, tuple[Refusal, Call]]:
        """What is refused now of what specs come to, with a leaf that wants it."""
        found: dict[Key, tuple[Refusal, Call]] = {}
        for key, each in self._refused.items():
            leaf = next((leaf for leaf, made in self._holders.get(key, {}).items() if made), None)
            if leaf is not None:
                found[key] = (each, leaf)
        return found

    @property
    def candidates(self) -> Resources:
        """What is to be judged before anything is published."""
        return tuple(self._open.values())

    def ask(self, resource: Resource) -> None:
        """Have a new resource judged."""
        if key_of(resource) not in self._refused:
            self._open[key_of(resource)] = resource

    def refuse(self, refusal: Refusal) -> None:
        """Send that resource to nobody."""
        key = key_of(refusal.resource)
        self._open.pop(key, None)
        if key not in self._refused:
            self._refused[key] = refusal
            self.changed = True
            log.warning(Event.RESOURCE_QUARANTINED, type=short(key.type_url), name=key.name, reason=refusal.reason)
            for tell in self.told:
                tell(refusal)

    def accept(self, resources: Iterable[Resource]) -> None:
        """These may be sent."""
        for each in resources:
            key = key_of(each)
            self._open.pop(key, None)
            for leaf in self._holders.pop(key, ()):
                left = self._held.pop(leaf, frozenset()) - {key}
                if left:
                    self._held[leaf] = left

    def holders(self, resources: Iterable[Resource]) -> set[Call]:
        """The leaves that make any of these."""
        return {leaf for each in resources for leaf in self._holders.get(key_of(each), ())}

    def shown(self, leaf: Call, made: Resources, before: Resources) -> Resources:
        """What of ``made`` is to be in the tables, the refused ones replaced; ``before`` were there and are good."""
        if not (self._refused or self._open or self._held):
            return made
        walked: dict[Key, bool] = {}
        found = [self._instead(each, before, walked) for each in made]
        walked.update((key_of(each), True) for each in made)
        self._holds(leaf, {key: own for key, own in walked.items() if key in self._refused or key in self._open})
        shown = tuple(each for each in found if each is not None)
        return made if shown == made else shown

    def waits(self, leaf: Call) -> bool:
        """Whether anything that a leaf makes is refused, or still to be judged."""
        return any(key in self._refused or key in self._open for key in self._held.get(leaf, ()))

    def fine(self, resources: Resources) -> Resources:
        """Those of them that are neither refused nor still to be judged."""
        return tuple(each for each in resources if (key := key_of(each)) not in self._refused and key not in self._open)

    def forget(self, leaf: Call) -> None:
        """A leaf is gone."""
        self._holds(leaf, {})

    def _holds(self, leaf: Call, keys: Mapping[Key, bool]) -> None:
        before = self._held.pop(leaf, frozenset())
        if keys:
            self._held[leaf] = frozenset(keys)
        for key, own in keys.items():
            self._holders.setdefault(key, {})[leaf] = own
        for key in before - keys.keys():
            holders = self._holders.get(key, {})
            holders.pop(leaf, None)
            if not holders:
                self._drop(key)

    def _drop(self, key: Key) -> None:
        self._holders.pop(key, None)
        self._open.pop(key, None)
        self.sent.pop(key, None)
        if self._refused.pop(key, None) is not None:
            self.changed = True
            log.info(Event.RESOURCE_RELEASED, type=short(key.type_url), name=key.name)

    def _instead(self, wanted: Resource, before: Resources, walked: dict[Key, bool]) -> Resource | None:
        """What is sent for ``wanted``; all that is tried on the way is noted in ``walked``."""
        key = key_of(wanted)
        walked[key] = False
        refusal = self._refused.get(key)
        if refusal is None:
            return wanted
        known = next((each for each in before if (each.type_url, each.name) == (wanted.type_url, wanted.name)), None)
        if known is not None and key_of(known) in self._refused:
            known = None
        if refusal.repaired is not None and key_of(refusal.repaired) not in walked:
            return self._instead(refusal.repaired, before, walked)
        if known is None and (found := self.kept(wanted)) is not None and key_of(found) not in walked:
            known = self._instead(found, (), walked)
        if known is not None:
            self.sent[key] = known
        if refusal.bad_hosts:
            return repaired(wanted, refusal.bad_hosts, {} if known is None else hosts_of(known))
        if known is None and refusal.otherwise is not None and key_of(refusal.otherwise) not in self._refused:
            return refusal.otherwise
        return known or stand_in(wanted)
