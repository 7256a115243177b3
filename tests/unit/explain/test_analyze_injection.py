"""Which pods analysis finds to lack a sidecar, or to have one of another control plane."""

from __future__ import annotations

from typing import Any

import pytest

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.explain.analyze import analyze

ENABLED = {"istio-injection": "enabled"}
LACKS = ["Pod shop/web-1 injection.missing-sidecar"]
DEPLOYED: dict[str, Any] = {"labels": {"pod-template-hash": "5f"}, "owners": [("ReplicaSet", "web-5f")]}


def namespace(name: str = "shop", **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(name: str = "web-1", *, phase: str = "Running", owners: Any = (), **other: Any) -> dict[str, Any]:
    references = [{"kind": kind, "name": owner, "controller": True, "apiVersion": "v1"} for kind, owner in owners]
    spec = {"containers": [{"name": each} for each in other.pop("containers", ["app"])], **other.pop("spec", {})}
    metadata = {"name": name, "namespace": "shop", "ownerReferences": references, **other}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": phase}}


def injected(name: str, revision: str, **other: Any) -> dict[str, Any]:
    notes = {"sidecar.istio.io/status": "{}", "istio.io/rev": revision}
    return pod(name, annotations=notes, containers=["app", "istio-proxy"], **other)


def found(*objects: dict[str, Any]) -> list[Any]:
    builder = Builder()
    change = applied(builder, [made(each) for each in objects])
    return [each for each in analyze(change.snapshot, builder.problems) if each.code.startswith("injection.")]


IN_ENABLED = {
    "nothing of its own": (pod(), LACKS),
    "about to run": (pod(phase="Pending"), LACKS),
    "over": (pod(phase="Succeeded"), []),
    "failed": (pod(phase="Failed"), []),
    "nobody says how it is": (pod(phase=""), []),
    "on the network of its node": (pod(spec={"hostNetwork": True}), []),
    "on its way out": (pod(deletionTimestamp="2026-01-01T00:00:00Z"), []),
    "wants none": (pod(labels={"sidecar.istio.io/inject": "false"}), []),
    "wants none, in the old way": (pod(annotations={"sidecar.istio.io/inject": "false"}), []),
    "has one, says the injector": (pod(annotations={"sidecar.istio.io/status": "{}"}), []),
    "has one beside it": (pod(containers=["app", "istio-proxy"]), []),
    "has one as an init container": (pod(spec={"initContainers": [{"name": "istio-proxy"}]}), []),
    "a pod of a local mesh": (pod(labels={"security.istio.io/tlsMode": "istio"}), []),
}


@pytest.mark.parametrize(("written", "expected"), IN_ENABLED.values(), ids=list(IN_ENABLED))
def test_a_namespace_that_asks(written: dict[str, Any], expected: list[str]) -> None:
    assert [f"{each.at.object} {each.code}" for each in found(namespace(**ENABLED), written)] == expected


def test_namespaces_that_do_not_ask() -> None:
    assert found(namespace(), pod()) == []
    assert found(pod(labels={"sidecar.istio.io/inject": "true"})) == []
    assert found(namespace(**{"istio-injection": "disabled"}), pod(labels={"sidecar.istio.io/inject": "true"})) == []
    assert (
        found(namespace("kube-system", **ENABLED), {**pod(), "metadata": {"name": "x", "namespace": "kube-system"}})
        == []
    )


def test_a_pod_that_asks() -> None:
    assert len(found(namespace(), pod(labels={"sidecar.istio.io/inject": "true"}))) == 1
    assert len(found(namespace(**{"istio.io/rev": "next"}), pod())) == 1


def test_one_finding_for_a_workload_which_says_how_it_ends() -> None:
    (problem,) = found(namespace(**ENABLED), pod("web-5f-b", **DEPLOYED), pod("web-5f-a", **DEPLOYED))
    assert str(problem) == (
        "Pod shop/web-5f-a: should have a sidecar and has none (of Deployment web, and 1 more of its pods); "
        "it gets one by: kubectl rollout restart -n shop deployment/web [injection.missing-sidecar]"
    )
    (alone,) = found(namespace(**ENABLED), pod())
    assert alone.message == "should have a sidecar and has none; it gets one when it is made anew"


def test_a_sidecar_of_another_revision() -> None:
    old, new = injected("old", "default", owners=[("StatefulSet", "db")]), injected("new", "next")
    (problem,) = found(namespace(**{"istio.io/rev": "next"}), old, new)
    assert problem.message == (
        "has a sidecar of revision default, not of next (of StatefulSet db); "
        "it gets one by: kubectl rollout restart -n shop statefulset/db"
    )
    assert (str(problem.at), problem.code) == ("Pod shop/old", "injection.other-revision")
    assert found(namespace(**{"istio.io/rev": "next"}), new) == []


def test_a_tag_may_lead_to_any_revision() -> None:
    assert found(namespace(**{"istio.io/rev": "prod"}), injected("web-1", "next")) == []
    assert found(namespace(**ENABLED), injected("a", "next"), injected("b", "default")) == []
