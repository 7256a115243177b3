"""What a node says of itself."""

from __future__ import annotations

import pytest
from google.protobuf import json_format, struct_pb2

from xds.api.envoy.config.core.v3 import base_pb2
from xds.server.errors import LimitExceeded
from xds.server.node import Locality, Node, node


def test_a_node_as_envoy_sends_it() -> None:
    fields = {
        "id": "sidecar~10.0.0.1~pod.ns~ns.svc.cluster.local",
        "cluster": "app.ns",
        "metadata": {"NAMESPACE": "ns", "LABELS": {"app": "a"}, "PORTS": [1, 2.5], "ON": True, "NOT": None},
        "locality": {"region": "r", "zone": "z"},
        "user_agent_name": "envoy",
        "user_agent_build_version": {"version": {"major_number": 1, "minor_number": 40, "patch": 0}},
    }
    found = node(json_format.ParseDict(fields, base_pb2.Node()))
    assert found == Node(
        id="sidecar~10.0.0.1~pod.ns~ns.svc.cluster.local",
        cluster="app.ns",
        metadata={"NAMESPACE": "ns", "LABELS": {"app": "a"}, "PORTS": [1, 2.5], "ON": True, "NOT": None},
        locality=Locality("r", "z"),
        agent="envoy",
        version="1.40.0",
    )


def test_an_empty_node() -> None:
    assert node(base_pb2.Node()) == Node("")


def test_a_node_that_says_too_much_of_itself_is_not_read() -> None:
    metadata = struct_pb2.Struct(fields={"LABELS": struct_pb2.Value(string_value="x" * 1024 * 1024)})
    with pytest.raises(LimitExceeded, match="metadata of 10"):
        node(base_pb2.Node(id="web", metadata=metadata))
