"""One response before it is bytes, and after it was sent, until the client has answered it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xds.server.rejections import Rejection
from xds.wire.difference import Difference
from xds.wire.resource import Layers, Resource


@dataclass(frozen=True, slots=True)
class Batch:
    """What one response says: resources by ``parts`` that many streams share, and names to remove.

    ``denied`` are on-demand names answered with an alias and no body, ``aliased`` resources with
    the on-demand names that they answer; ``prior`` the layers that the client was at
    before; ``had`` the version it held of the resource where the batch has only one; ``lacked`` the names of which it
    held nothing (None: those not in ``prior``). ``changes`` is what is new in ``parts`` where they are all there is
    (SotW).
    """

    parts: tuple[Difference, ...] = ()
    removed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    aliased: tuple[tuple[Resource, tuple[str, ...]], ...] = ()
    prior: Layers = ()
    had: str | None = None
    lacked: tuple[str, ...] | None = None
    changes: tuple[Difference, ...] | None = None

    @property
    def resources(self) -> Iterator[Resource]:
        """The resources sent."""
        yield from (resource for part in self.parts for resource in part.changed)
        yield from (resource for resource, _ in self.aliased)

    @property
    def size(self) -> int:
        """How many resources are sent."""
        return sum(len(part.changed) for part in self.parts) + len(self.aliased)

    @property
    def single(self) -> Resource | None:
        """The resource, where there is exactly one."""
        return next(self.resources) if self.size == 1 else None


@dataclass(frozen=True, slots=True)
class Answer:
    """A client's answer to a response: an ACK, or a NACK with the reason in the client's own words.

    ``batch`` is what the response said; ``culprit`` what is known to be bad by a NACK: a resource that was sent alone.
    """

    type_url: str
    batch: Batch
    reason: str | None = None
    culprit: Rejection | None = None

    @property
    def rejected(self) -> bool:
        """Whether it is a NACK."""
        return self.reason is not None

    @property
    def versions(self) -> dict[str, str]:
        """The names and versions of the resources in the response."""
        return {resource.name: resource.version for resource in self.batch.resources}
