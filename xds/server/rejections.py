"""What clients of a group have refused: a version that was refused once is not sent to any of them again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xds.wire.resource import Resource


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
    """The rejections of one group, by type, name and version."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._found: dict[tuple[str, str, str], Rejection] = {}
        self._types: dict[str, int] = {}

    def add(self, rejection: Rejection) -> None:
        """Remember ``rejection``; the first one of a version stays."""
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

    def of(self, resource: Resource) -> Rejection | None:
        """The rejection of exactly this version, if any."""
        if not self._types.get(resource.type_url):
            return None
        return self._found.get((resource.type_url, resource.name, resource.version))

    def any_of(self, type_url: str) -> bool:
        """Whether anything of that type was ever rejected: a cheap question that spares the others."""
        return bool(self._types.get(type_url))

    def __iter__(self) -> Iterator[Rejection]:
        return iter(tuple(self._found.values()))

    def __len__(self) -> int:
        return len(self._found)
