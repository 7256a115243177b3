"""The head of a first request says the same as the whole, whatever else is in it."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError

from xds.api.envoy.config.core.v3 import base_pb2
from xds.api.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from xds.server.errors import LimitExceeded, ProtocolError
from xds.server.head import Head, head
from xds.server.node import node
from xds.wire.type_urls import CLUSTER

WEB = base_pb2.Node(id="sidecar~10.0.0.1~web.shop~shop.svc.cluster.local", cluster="web.shop")


def test_what_a_request_says_of_who_sends_it() -> None:
    held = {"a": "1"}
    delta = DeltaDiscoveryRequest(node=WEB, type_url=CLUSTER, initial_resource_versions=held)
    delta.resource_names_subscribe.append("a")
    assert head(delta.SerializeToString(), delta=True) == Head(node(WEB), CLUSTER, True)
    sotw = DiscoveryRequest(node=WEB, type_url=CLUSTER, resource_names=["a"])
    assert head(sotw.SerializeToString(), delta=False) == Head(node(WEB), CLUSTER, False)
    sotw.version_info = "1"
    assert head(sotw.SerializeToString(), delta=False).holds
    assert head(b"", delta=True) == Head(node(base_pb2.Node()), "", False)


@pytest.mark.parametrize("delta", [False, True])
def test_what_is_no_request(delta: bool) -> None:
    with pytest.raises(ProtocolError):
        head(b"\xff", delta=delta)


def test_a_node_that_says_too_much_is_not_read() -> None:
    # Fields that Envoy has and nobody reads: two million of them would be a second's work.
    vast = DeltaDiscoveryRequest(node={"id": "web", "client_features": [""] * 600_000})
    with pytest.raises(LimitExceeded, match="a node of 12"):
        head(vast.SerializeToString(), delta=True)


def test_names_are_passed_over() -> None:
    data = DeltaDiscoveryRequest(node=WEB, type_url=CLUSTER).SerializeToString() + b"\x1a\x01\xff"
    with pytest.raises(DecodeError):  # a name that is no text
        DeltaDiscoveryRequest.FromString(data)
    assert head(data, delta=True) == Head(node(WEB), CLUSTER, False)
