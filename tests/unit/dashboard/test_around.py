"""How many replicas a control plane has."""

from __future__ import annotations

from xds.dashboard.around import Replicas, alone
from xds.model.labels import labels
from xds.model.refs import ObjectRef
from xds.model.snapshot import Snapshot, Table
from xds.model.workload import Workload


def pod(name: str, namespace: str = "istio-system", revision: str = "default", *, leaving: bool = False) -> Workload:
    said = labels({"app": "istiod", "istio.io/rev": revision, "more": "x"})
    return Workload(ObjectRef("", "Pod", namespace, name), said, leaving=leaving)


def test_pods_of_the_revision_in_its_namespace_are_counted() -> None:
    pods = [
        pod("a"),
        pod("b"),
        pod("old", leaving=True),
        pod("canary", revision="canary"),
        pod("elsewhere", "shop"),
        Workload(ObjectRef("", "Pod", "istio-system", "other"), labels({"app": "other"})),
    ]
    snapshot = Snapshot({Table.WORKLOAD: {each.ref: (each,) for each in pods}})
    assert Replicas(lambda: snapshot, "istio-system", "default")() == 2
    assert Replicas(lambda: snapshot, "istio-system", "none")() == 1
    assert alone() == 1
