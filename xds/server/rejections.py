"""What clients of a group have refused: a version that was refused once is not sent to any of them again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from xds.wire.resource import Resource

# What Envoy says when it is not the resource that is bad, but the machine that it has to be used on.
_OF_THE_MACHINE: Final = ("cannot bind", "cannot listen", "unable to read file")


@dataclass(frozen=True, slots=True)
class Rejection:
    """One version of one resource that a client refused (NACK), in the client's own words.

    ``last_good`` is what that client held of the name before, and what the others are given instead; None where
    unknown.
    """

    resource: Resource
    reason: str
    node_id: str
    last_good: Resource | None = None


class Rejections:
    """The rejections of one group, by type, name and version; or those of one stream, on top of its group's."""

    def __init__(self, limit: int, group: Rejections | None = None) -> None:
        self._limit = limit
        self._group = group
        self._found: dict[tuple[str, str, str], Rejection] = {}
        self._types: dict[str, int] = {}

    def of_one(self) -> Rejections:
        """These and those of one stream: what is wrong with its client's machine is not held against the resource."""
        return Rejections(self._limit, self)

    @property
    def own(self) -> tuple[Rejection, ...]:
        """Those that are not the group's."""
        return tuple(self._found.values())

    def add(self, rejection: Rejection) -> None:
        """Remember ``rejection``; the first one of a version stays."""
        if self._group is not None and not any(words in rejection.reason for words in _OF_THE_MACHINE):
            self._group.add(rejection)
            return
        resource = rejection.resource
        key = (resource.type_url, resource.name, resource.version)
        if key in self._found:
            return
        if len(self._found) >= self._limit:
            oldest = next(iter(self._found))
            del self._found[oldest]
            self._types[oldest[0]] -= 1
        self._found[key] = rejection
        self._types[resource.type_url] = self._types.get(resource.type_url, 0) + 1

    def forget(self, resource: Resource) -> bool:
        """Hold nothing against exactly this version any more; whether anything was, in these alone."""
        found = self._found.pop((resource.type_url, resource.name, resource.version), None)
        if found is not None:
            self._types[resource.type_url] -= 1
        return found is not None

    def of(self, resource: Resource) -> Rejection | None:
        """The rejection of exactly this version, if any."""
        found = None
        if self._types.get(resource.type_url):
            found = self._found.get((resource.type_url, resource.name, resource.version))
        return found if found is not None or self._group is None else self._group.of(resource)

    def any_of(self, type_url: str) -> bool:
        """Whether anything of that type was ever rejected: a cheap question that spares the others."""
        return bool(self._types.get(type_url)) or (self._group is not None and self._group.any_of(type_url))

    def __iter__(self) -> Iterator[Rejection]:
        return chain(self.own, self._group or ())

    def __len__(self) -> int:
        return len(self._found) + (0 if self._group is None else len(self._group))
