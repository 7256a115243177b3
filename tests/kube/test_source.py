"""The Kubernetes source as its readers see it, on a real API server."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

from kubernetes import client as api

from tests.kube.api_server import ApiServer
from tests.kube.following import following
from tests.kube.waiting import until
from xds.controllers.rest import Rest
from xds.model.refs import ObjectRef
from xds.sources.changes import Changed, Replaced

MESH_CONFIG = ObjectRef("mesh.istio.io", "MeshConfig", "istio-system", "istio")


def service(namespace: str, name: str, port: int = 80) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": headless(port)}


def headless(port: int = 80) -> dict[str, Any]:
    return {"ports": [{"port": port}], "clusterIP": "None"}


async def test_objects_come_change_and_go(api_server: ApiServer, namespace: str) -> None:
    before, later = (ObjectRef("", "Service", namespace, name) for name in ("before", "later"))
    await asyncio.to_thread(api_server.apply, service(namespace, "before"))
    async with following(api_server.client()) as seen:
        assert before in seen.first
        assert seen.source.synced
        assert str(seen.origin(before)).startswith("kubernetes:test@")
        await asyncio.to_thread(api_server.apply, service(namespace, "later", 81))
        await until(lambda: seen.has(later))
        await asyncio.to_thread(api_server.apply, service(namespace, "later", 82))
        await until(lambda: seen.has(later) and seen.struct(later).spec.ports[0].port == 82)
        await asyncio.to_thread(api_server.kubectl, "-n", namespace, "delete", "service", "before", "later")
        await until(lambda: not seen.has(before) and not seen.has(later))
        assert [type(each) for each in seen.told] == [Replaced, *[Changed] * (len(seen.told) - 1)]


async def test_a_list_of_several_pages_is_whole(api_server: ApiServer, namespace: str) -> None:
    def write() -> None:
        core = api.CoreV1Api(api_server.client())
        for number in range(520):
            body: Any = {"metadata": {"name": f"s-{number}"}, "spec": headless()}
            core.create_namespaced_service(namespace, body, _request_timeout=10)

    await asyncio.to_thread(write)
    async with following(api_server.client()) as seen:
        assert len([ref for ref in seen.first if ref.namespace == namespace and ref.kind == "Service"]) == 520
        assert seen.source.health().kinds["services"].objects >= 520


async def test_what_is_nested_too_deep_to_read_hides_nothing_else(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """Who may write any object may nest its metadata by thousands, which the API server keeps."""
    deep, beside, later = (ObjectRef("", "Service", namespace, name) for name in ("deep", "beside", "later"))
    owned = {"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": "DEEP"}
    text = json.dumps({**service(namespace, "deep"), "metadata": {"name": "deep", "managedFields": [owned]}})
    (tmp_path / "deep.json").write_text(text.replace('"DEEP"', '{"f:a":' * 3000 + "{}" + "}" * 3000))
    path = f"/api/v1/namespaces/{namespace}/services"

    def write() -> None:
        api_server.kubectl("create", "--raw", path, "-f", str(tmp_path / "deep.json"))

    async with following(api_server.client()) as seen:
        await asyncio.to_thread(write)
        await asyncio.to_thread(api_server.apply, service(namespace, "beside"))
        await until(lambda: seen.has(deep) and seen.has(beside))
    async with following(api_server.client()) as seen:
        assert {deep, beside} <= seen.first
        await asyncio.to_thread(api_server.apply, service(namespace, "later"))
        await until(lambda: seen.has(later))
    assert (await asyncio.to_thread(Rest(api_server.client()).get, f"{path}/deep"))["metadata"]["name"] == "deep"


async def test_pods_that_are_over_are_gone(api_server: ApiServer, namespace: str) -> None:
    pod = ObjectRef("", "Pod", namespace, "job")
    spec = {"containers": [{"name": "a", "image": "a"}]}
    metadata = {"name": "job", "namespace": namespace}
    await asyncio.to_thread(api_server.apply, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    async with following(api_server.client()) as seen:
        assert pod in seen.first
        over = '{"status":{"phase":"Succeeded"}}'
        patch = ("patch", "pod", "job", "--subresource=status", "--type=merge", "-p", over)
        await asyncio.to_thread(api_server.kubectl, "-n", namespace, *patch)
        await until(lambda: not seen.has(pod))


async def test_of_secrets_only_credentials_are_kept(api_server: ApiServer, namespace: str) -> None:
    large = base64.b64encode(b"-----BEGIN " + b"x" * 700_000).decode()

    def secret(name: str, **data: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data}

    tls = ObjectRef("", "Secret", namespace, "tls")
    password = base64.b64encode(b"hunter2").decode()
    await asyncio.to_thread(api_server.apply, secret("tls", **{"tls.crt": large, "password": password}))
    await asyncio.to_thread(api_server.kubectl, "apply", "-f", "-", stdin=str(secret("other", password=password)))
    async with following(api_server.client()) as seen:
        assert [ref for ref in seen.first if ref.namespace == namespace and ref.kind == "Secret"] == [tls]
        assert seen.struct(tls).data == {"tls.crt": large}
        assert seen.struct(tls).metadata.annotations == {}
        gone = '[{"op":"remove","path":"/data/tls.crt"}]'
        patch = ("patch", "secret", "tls", "--type=json", "-p", gone)
        await asyncio.to_thread(api_server.kubectl, "-n", namespace, *patch)
        await until(lambda: not seen.has(tls))


async def test_the_mesh_config_is_what_its_config_map_says(api_server: ApiServer, namespace: str) -> None:
    def config_map(text: str) -> dict[str, Any]:
        metadata = {"name": "istio-canary", "namespace": namespace}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mesh": text}}

    own = ObjectRef("", "ConfigMap", namespace, "istio-canary")
    async with following(api_server.client(), root_namespace=namespace, revision="canary") as seen:
        assert not seen.has(MESH_CONFIG)
        await asyncio.to_thread(api_server.apply, config_map("trustDomain: one.example"))
        await until(lambda: seen.has(MESH_CONFIG))
        await asyncio.to_thread(api_server.apply, config_map("trustDomain: [no text]"))
        await until(lambda: bool(seen.problems(own)))
        assert seen.struct(MESH_CONFIG).spec.trust_domain == "one.example"
        assert [problem.at.dotted for problem in seen.problems(own)] == ["data.mesh.trustDomain"]
        await asyncio.to_thread(api_server.apply, config_map("trustDomain: two.example"))
        await until(lambda: not seen.problems(own))
        assert seen.struct(MESH_CONFIG).spec.trust_domain == "two.example"
        await asyncio.to_thread(api_server.kubectl, "-n", namespace, "delete", "configmap", "istio-canary")
        await until(lambda: not seen.has(MESH_CONFIG))


async def test_what_may_not_be_read_is_not_taken_for_empty(api_server: ApiServer, namespace: str) -> None:
    api_server.kubectl("-n", namespace, "create", "serviceaccount", "reader")
    token = api_server.kubectl("-n", namespace, "create", "token", "reader").stdout.strip()
    kubeconfig = api_server.kubeconfig.with_name(f"{namespace}.kubeconfig")
    kubeconfig.write_text(api_server.kubeconfig_text(token))
    rules = [
        {"apiGroups": [""], "resources": ["namespaces", "nodes", "pods", "secrets", "configmaps"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"]},
        {"apiGroups": ["networking.istio.io", "security.istio.io"], "resources": ["*"]},
    ]
    services = {"apiGroups": [""], "resources": ["services"]}
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}

    def grant(*granted: dict[str, Any]) -> None:
        group = "rbac.authorization.k8s.io"
        head = {"apiVersion": f"{group}/v1", "metadata": {"name": namespace}}
        role = {**head, "kind": "ClusterRole", "rules": [{**each, "verbs": ["list", "watch"]} for each in granted]}
        reference = {"apiGroup": group, "kind": "ClusterRole", "name": namespace}
        api_server.apply(role, {**head, "kind": "ClusterRoleBinding", "subjects": [subject], "roleRef": reference})

    await asyncio.to_thread(grant, *rules)
    async with following(api_server.client(kubeconfig), synced=False) as seen:
        await until(lambda: "cannot list" in seen.source.health().kinds.get("services", seen.nothing).problem)
        await until(lambda: all(kind.synced for name, kind in seen.source.health().kinds.items() if name != "services"))
        assert not seen.told
        await asyncio.to_thread(grant, *rules, services)
        await until(lambda: bool(seen.told))
        assert seen.source.synced
        assert not seen.store.problems()
