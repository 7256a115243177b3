"""What an object's status says, as values: conditions in the words of the API, without times and generations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from xds.model.gateway_api import GroupKind, ParentRef


class Condition(NamedTuple):
    """One condition; ``holds`` is its status, True or False. ``at`` is the field that it is about, in dots, if any."""

    type: str
    holds: bool
    reason: str
    message: str = ""
    at: str = ""

    @property
    def text(self) -> str:
        """The message as users read it: with the field that it is about."""
        return f"{self.at}: {self.message}" if self.at else self.message


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """The status of one listener."""

    name: str
    supported_kinds: tuple[GroupKind, ...]
    attached_routes: int
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """The status of a Gateway, but for its addresses, or of a ListenerSet; ``sets`` is how many of these it has."""

    conditions: tuple[Condition, ...]
    listeners: tuple[ListenerStatus, ...]
    sets: int = 0


@dataclass(frozen=True, slots=True)
class ParentStatus:
    """What a route's status says of one parent, as the route names it; of a policy's, of one ancestor."""

    parent: ParentRef
    controller: str
    conditions: tuple[Condition, ...]
