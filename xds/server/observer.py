"""Who wants to know what proxies are sent and answer."""

from __future__ import annotations

from xds.server.batch import Answer
from xds.server.node import Node


class Observer:
    """Who wants to know what proxies are sent and answer: what is overridden. Called in the event loop: be quick."""

    def on_sent(self, node: Node, type_url: str, size_bytes: int) -> None:
        """``node`` was sent a response of that type; the connection has taken its bytes."""

    def on_written(self, group: str, type_url: str, size_bytes: int, seconds: tuple[float, float]) -> None:
        """A response to a node of ``group``: how long it took to be made, and until the connection had its bytes."""

    def on_queued(self, waited_s: float) -> None:
        """A stream is at a new set, so long after it was there for it."""

    def on_ack(self, node: Node, answer: Answer) -> None:
        """``node`` has acknowledged a response: ``answer.batch.resources`` and ``.removed``."""

    def on_nack(self, node: Node, answer: Answer) -> None:
        """``node`` has refused a response, for ``answer.reason``; ``answer.culprit`` is what is bad, if it is known."""

    def on_converged(self, group: str, seconds: float) -> None:
        """All streams of ``group`` have answered for its set, so long after the change of which it was made."""

    def on_gone(self, group: str) -> None:
        """The last stream of ``group`` has ended: nobody is there to answer."""
