"""What is refused by an Envoy of one version: what two of its proxies refuse, and none has taken, none is sent.

A NACK of one proxy counts for its own group alone: it may be broken, or hostile. Two of different owners that refuse
the same version of the same resource, while no other of their build holds it, are believed: the rest of that build is
not sent it any more, and keeps what it has. Other builds are not touched. Who takes it none the less, as it was on its
way already, clears it: it is sent again to all who have not refused it themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final

from xds.server.rejections import Rejection, Rejections
from xds.wire.resource import Resource

_WITNESSES: Final = 2
_MOST_BUILDS: Final = 32
_MOST_UNDECIDED: Final = 1_000

Taken = Callable[[str, Resource], bool]
"""Whether a connected client of that build has acknowledged exactly that version."""


class Builds:
    """The rejections of each build. ``taken`` is asked before a build's proxies are believed."""

    def __init__(self, limit: int, taken: Taken) -> None:
        self._limit = limit
        self._taken = taken
        self._builds: dict[str, Rejections] = {}
        self._accused: dict[tuple[str, str, str, str], dict[str, Rejection]] = {}

    def of(self, build: str) -> Rejections:
        """What nobody of that build is sent."""
        if build not in self._builds and len(self._builds) >= _MOST_BUILDS:
            build = ""
        return self._builds.setdefault(build, Rejections(self._limit))

    def refused(self, build: str, owner: str, rejection: Rejection) -> None:
        """Hear of a rejection by a proxy of that build, which belongs to ``owner``."""
        resource = rejection.resource
        key = (build, resource.type_url, resource.name, resource.version)
        witnesses = self._accused.setdefault(key, {})
        witnesses[owner] = rejection
        if len(witnesses) >= _WITNESSES and not self._taken(build, resource):
            self.of(build).add(next(iter(witnesses.values())))
            del self._accused[key]
        elif len(self._accused) > _MOST_UNDECIDED:
            del self._accused[next(iter(self._accused))]

    def accepted(self, build: str, resources: Iterable[Resource]) -> tuple[Resource, ...]:
        """Hear of an ACK by a proxy of that build: those that nobody of it was sent, and that may be sent again."""
        rejections = self._builds.get(build)
        if rejections is None or not len(rejections):
            return ()
        return tuple(resource for resource in resources if rejections.forget(resource))

    def __iter__(self) -> Iterator[tuple[str, Rejection]]:
        for build, rejections in self._builds.items():
            for each in rejections:
                yield build, each


class OfBuild(Rejections):
    """The rejections of a group, and those of the build of one of its streams."""

    def __init__(self, limit: int, group: Rejections, build: Rejections, told: Callable[[Rejection], None]) -> None:
        super().__init__(limit)
        self._of_group = group
        self._of_build = build
        self._told = told

    def add(self, rejection: Rejection) -> None:
        """Remember it for the group, and have it heard of."""
        self._of_group.add(rejection)
        self._told(rejection)

    def of(self, resource: Resource) -> Rejection | None:
        """The rejection of exactly this version, if any."""
        return self._of_group.of(resource) or self._of_build.of(resource)

    def any_of(self, type_url: str) -> bool:
        """Whether anything of that type was ever rejected."""
        return self._of_group.any_of(type_url) or self._of_build.any_of(type_url)

    def __iter__(self) -> Iterator[Rejection]:
        return chain(self._of_group, self._of_build)

    def __len__(self) -> int:
        return len(self._of_group) + len(self._of_build)
