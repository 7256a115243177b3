"""What a node says of itself."""

from __future__ import annotations

from google.protobuf import json_format

from xds.api.envoy.config.core.v3 import base_pb2
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
