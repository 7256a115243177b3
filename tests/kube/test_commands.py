"""Commands against a cluster whose API server answers, and whose pods do not: there is no kubelet here."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.kube.api_server import ApiServer
from xds.cli.cluster import cluster
from xds.cli.failure import Failure, Unreachable
from xds.cli.object_names import named
from xds.cli.plait import app
from xds.cli.wait import newest
from xds.cli.where import Where

_NUMBERS = itertools.count()


def pod(api: ApiServer, namespace: str, phase: str, labels: dict[str, str], **spec: Any) -> str:
    name = f"pod-{next(_NUMBERS)}"
    containers = spec.pop("containers", [{"name": "app", "image": "none"}])
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"containers": containers, **spec},
        }
    )
    patch = f'{{"status": {{"phase": "{phase}", "podIP": "10.1.0.{next(_NUMBERS)}"}}}}'
    api.kubectl("-n", namespace, "patch", "pod", name, "--subresource=status", "--type=merge", "-p", patch)
    return name


def test_replicas_that_run_by_revision(api_server: ApiServer, namespace: str) -> None:
    found = cluster(str(api_server.kubeconfig))
    with pytest.raises(Failure, match="no control plane runs in namespace"):
        found.control_planes(namespace)
    old = pod(api_server, namespace, "Running", {"app": "istiod", "istio.io/rev": "default"})
    new = pod(api_server, namespace, "Running", {"app": "istiod", "istio.io/rev": "next"})
    late = pod(api_server, namespace, "Pending", {"app": "istiod", "istio.io/rev": "late"})
    names = [each.name for each in found.control_planes(namespace)]
    assert names == [f"pod {namespace}/{each} port 15014" for each in (old, new)]
    assert [each.name for each in found.control_planes(namespace, "next")] == names[1:]
    with pytest.raises(Failure, match=f"{late} is Pending"):
        found.control_planes(namespace, "late")


def test_sidecars_by_container(api_server: ApiServer, namespace: str) -> None:
    proxy, plain = {"name": "istio-proxy", "image": "none"}, {"name": "app", "image": "none"}
    beside = pod(api_server, namespace, "Running", {}, containers=[plain, proxy])
    native = pod(
        api_server, namespace, "Running", {}, containers=[plain], initContainers=[{**proxy, "restartPolicy": "Always"}]
    )
    pod(api_server, namespace, "Running", {})
    pod(api_server, namespace, "Succeeded", {}, containers=[plain, proxy])
    assert [each.name for each in cluster(str(api_server.kubeconfig)).envoys(namespace)] == [beside, native]


def test_a_pod_that_cannot_be_reached_is_said_so(api_server: ApiServer, namespace: str) -> None:
    pod(api_server, namespace, "Running", {"app": "istiod"})
    (pages,) = cluster(str(api_server.kubeconfig)).control_planes(namespace)
    with pytest.raises((Failure, Unreachable), match=rf"pod {namespace}/pod-\d+ port 15014: "):
        pages.get("/debug/syncz")


def test_what_the_cluster_refuses_is_told(api_server: ApiServer, tmp_path: Path) -> None:
    stranger = tmp_path / "kubeconfig"
    stranger.write_text(api_server.kubeconfig_text("nobody"))
    done = CliRunner().invoke(app(), ["proxy-status", "--kubeconfig", str(stranger)])
    assert done.exit_code == 2
    assert "Unauthorized (401)" in done.stderr


def test_who_may_not_forward_is_told(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    pod(api_server, namespace, "Running", {"app": "istiod"})
    rbac = "rbac.authorization.k8s.io"
    meta = {"name": "reader", "namespace": namespace}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}
    api_server.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "reader"},
            "subjects": [subject],
        },
    )
    token = api_server.kubectl("-n", namespace, "create", "token", "reader").stdout
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(api_server.kubeconfig_text(token))
    found = cluster(str(kubeconfig))
    (pages,) = found.control_planes(namespace)
    with pytest.raises(Failure, match=r'cannot get resource "pods/portforward".*\(403\)') as refused:
        pages.get("/debug/syncz")
    assert not isinstance(refused.value, Unreachable)
    with pytest.raises(Failure, match=r'cannot list resource "pods" .*\(403\)'):
        found.pods()


def test_a_kubeconfig_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(app(), ["proxy-status", "--kubeconfig", str(tmp_path / "none")])
    assert done.exit_code == 2
    assert "none" in done.stderr
    assert "bug" not in done.stderr


def test_explain_from_a_cluster(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    from xds.cli.cluster_objects import addresses_of, mesh_objects
    from xds.cli.manifests import together
    from xds.settings import Settings

    name = pod(api_server, namespace, "Running", {"app": "web"})
    over = pod(api_server, namespace, "Succeeded", {"app": "web"})
    registry = [{"group": "", "kind": kind, "namespace": "", "name": ""} for kind in ("Pod", "Secret", "EndpointSlice")]
    objects = mesh_objects(cluster(str(api_server.kubeconfig)), registry, namespace).objects
    known = together(objects, (), Settings(), addresses_of(objects))
    here = [spec for spec in known.pods if spec.namespace == namespace]
    assert [spec.name for spec in here] == [name]
    assert over not in {each.ref.name for each in objects}
    assert addresses_of(objects)[namespace, name][0].startswith("10.1.0.")
    assert not known.made_up_addresses & {f"{namespace}/{name}"}


def test_the_generation_that_is_waited_for(api_server: ApiServer, namespace: str) -> None:
    where = Where(kubeconfig=str(api_server.kubeconfig))
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "app", "image": "none"}]}}
    spec: dict[str, Any] = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    metadata = {"name": "web", "namespace": namespace}
    for replicas in (1, 2):
        changed = {**spec, "replicas": replicas}
        api_server.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": changed})
    assert newest(where, named(["deployment/web"], namespace)) == 2
    ports = {"ports": [{"port": 80}]}
    api_server.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": ports})
    assert newest(where, named(["service", "web"], namespace)) == 0, "Services have no generations"
    with pytest.raises(Failure, match="not found"):
        newest(where, named(["deployment/other"], namespace))
