"""What one object contributes to a snapshot: rows under inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from xds.model.credential import Examine, unexamined
from xds.model.gateway_api import CONTROLLERS
from xds.model.mesh import Mesh
from xds.model.problem import Problems
from xds.model.refs import FieldRef, ObjectRef
from xds.model.snapshot import Input
from xds.translators.feature import Reading


class Row(NamedTuple):
    """A value, and the input under which it is found."""

    under: Input
    value: Any


@dataclass(frozen=True, slots=True)
class Authored:
    """One object as a decoder gets it: its name, its struct, where findings go, and what decoding needs to know."""

    ref: ObjectRef
    struct: Any
    found: Problems
    domain: str = Mesh().domain
    cluster: str = Mesh().cluster
    gateway_controllers: tuple[str, ...] = CONTROLLERS
    examine: Examine = unexamined

    @property
    def spec(self) -> FieldRef:
        """The reference of the object's ``spec``."""
        return FieldRef(self.ref, ("spec",))

    @property
    def reading(self) -> Reading:
        """What features' decode functions need to know."""
        return Reading(self.ref.namespace, self.domain, self.found)

    @property
    def created(self) -> str:
        """When it was made, as text that sorts by time; ``""`` where the source does not know."""
        stamp = self.struct.metadata.creation_timestamp
        return stamp.isoformat() if stamp is not None else ""


Decoder = Callable[[Authored], Iterable[Row]]
