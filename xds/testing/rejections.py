"""What proxies have refused, as it happens."""

from __future__ import annotations

from dataclasses import dataclass

from xds.server import Answer, Node, Observer
from xds.wire.type_urls import short


@dataclass(frozen=True, slots=True)
class Refused:
    """One NACK: the proxy's node id, the type, the names in the response, the reason in the proxy's own words."""

    proxy: str
    type: str
    names: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return f"{self.proxy} refused {self.type} {', '.join(self.names)}: {self.reason}"


class Rejections(Observer):
    """An observer that keeps every NACK, in their order, until it is taken."""

    def __init__(self) -> None:
        self._found: list[Refused] = []

    def on_ack(self, node: Node, answer: Answer) -> None:
        """An ACK is what is expected."""

    def on_nack(self, node: Node, answer: Answer) -> None:
        """Keep it."""
        names = tuple(resource.name for resource in answer.batch.resources)
        self._found.append(Refused(node.id, short(answer.type_url), names, answer.reason or ""))

    def take(self) -> tuple[Refused, ...]:
        """Those that came since the last take."""
        found, self._found = tuple(self._found), []
        return found
