"""NACKs are kept until they are taken."""

from __future__ import annotations

from xds.server import Answer, Node
from xds.server.batch import Batch
from xds.testing.rejections import Rejections
from xds.wire.type_urls import LISTENER


def test_nacks_are_kept_and_acks_are_not() -> None:
    rejections = Rejections()
    node = Node("web")
    rejections.on_ack(node, Answer(LISTENER, Batch()))
    rejections.on_nack(node, Answer(LISTENER, Batch(), "port in use"))
    (found,) = rejections.take()
    assert (found.proxy, found.reason) == ("web", "port in use")
    assert rejections.take() == ()
