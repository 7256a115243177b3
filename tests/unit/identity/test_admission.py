"""Names that nodes give themselves: refused where logs and terminals would suffer from them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from xds.callers.caller import Caller
from xds.identity.admission import counted_as, proxy_of
from xds.server import Denied, Node, Peer

PEER = Peer("ipv4:10.0.0.1:4242")
ID = "sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local"


@pytest.mark.parametrize(
    "node_id, metadata",
    [
        ("\x1b[2Jgone", {}),
        ("web\nstream opened", {}),
        ("x" * 2000, {}),
        (ID, {"NAME": "web\x1b]0;title\x07"}),
        (ID, {"NAMESPACE": "shop\r"}),
        (ID, {"SERVICE_ACCOUNT": "\u202eadmin"}),
        (ID, {"INSTANCE_IPS": ["10.0.0.1", "\x00"]}),
    ],
)
def test_names_that_do_not_print_are_refused(node_id: str, metadata: Mapping[str, object]) -> None:
    with pytest.raises(Denied) as refused:
        proxy_of(Node(node_id, metadata=metadata), PEER, None)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500


def test_ordinary_names_are_let_in() -> None:
    metadata = {"NAME": "web-1", "NAMESPACE": "shop", "LABELS": {"app": "web"}, "INSTANCE_IPS": "10.0.0.1,fd00::1"}
    assert proxy_of(Node(ID, metadata=metadata), PEER, None).label == "shop/web-1"


@pytest.mark.parametrize("port, taken", [("15080", 15080), ("65536", 0), ("9" * 5000, 0), ("²", 0), ("-1", 0)])
def test_a_port_that_is_none_is_no_explicit_proxy(port: str, taken: int) -> None:
    metadata = {"INTERCEPTION_MODE": "NONE", "HTTP_PROXY_PORT": port}
    assert proxy_of(Node(ID, metadata=metadata), PEER, None).http_proxy_port == taken


def test_streams_are_counted_by_what_was_proven() -> None:
    node, other, elsewhere = Node(ID), Node("other"), Peer("ipv4:10.0.0.2:4242")
    again = Peer("ipv4:10.0.0.1:4343")
    pod = Caller("cluster.local", "shop", "web", "web-1")
    assert counted_as(pod, node, PEER) == counted_as(pod, other, elsewhere), "a pod is one wherever it comes from"
    account = Caller("cluster.local", "shop", "web")
    assert counted_as(account, node, PEER) == counted_as(account, other, again), "what the node says counts for nothing"
    assert counted_as(account, node, PEER) != counted_as(account, node, elsewhere)
    assert counted_as(None, node, PEER) == counted_as(None, node, again)
    assert counted_as(None, node, PEER) != counted_as(None, other, PEER)
