"""What a command reads of a cluster is what the control plane reads: also objects whose status is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from xds.cli.cluster import Cluster
from xds.cli.cluster_objects import mesh_objects
from xds.kinds.authorization_policy import AuthorizationPolicy
from xds.kinds.mesh_config import MeshConfig

POLICIES = "/apis/security.istio.io/v1/authorizationpolicies"
MESH = "/api/v1/namespaces/istio-system/configmaps/istio"


class _Answers:
    """A cluster that has these lists and objects, by path."""

    def __init__(self, lists: dict[str, list[dict[str, Any]]], objects: dict[str, dict[str, Any]]) -> None:
        self._lists, self._objects = lists, objects

    def items(self, path: str) -> Iterator[bytes]:
        return (json.dumps(each).encode() for each in self._lists.get(path, ()))

    def get(self, path: str) -> bytes:
        return json.dumps(self._objects[path]).encode()


def policy(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    conditions = [{"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}]
    metadata = {"name": name, "namespace": "shop", "generation": 1, "managedFields": []}
    return {"metadata": metadata, "spec": spec, "status": {"conditions": conditions}}


REGISTRY = [
    {"group": "security.istio.io", "kind": "AuthorizationPolicy", "namespace": "shop", "name": "x"},
    {"group": "mesh.istio.io", "kind": "MeshConfig", "namespace": "istio-system", "name": "istio"},
]


def test_a_policy_with_a_status_counts_and_a_broken_one_is_told() -> None:
    config = {"metadata": {"name": "istio", "namespace": "istio-system"}, "data": {"mesh": "trustDomain: other.org"}}
    lists = {POLICIES: [policy("good", {"action": "DENY", "rules": [{}]}), policy("bad", {"action": "DENNY"})]}
    cluster = cast("Cluster", _Answers(lists, {MESH: config}))
    read = mesh_objects(cluster, REGISTRY, "istio-system")
    policies = [each.ref.name for each in read.objects if isinstance(each.struct, AuthorizationPolicy)]
    assert policies == ["good"]
    assert [problem.at.object.name for problem in read.problems] == ["bad"]
    (mesh,) = (each.struct for each in read.objects if isinstance(each.struct, MeshConfig))
    assert mesh.spec.trust_domain == "other.org"
