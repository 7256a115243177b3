"""The roots in every namespace of a real API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from tests.kube.api_server import ApiServer
from tests.kube.waiting import until
from xds.controllers import root_certificates
from xds.controllers.root_certificates import RootCertificates
from xds.events import Event
from xds.model.well_known import ROOTS_CONFIG_MAP, ROOTS_KEY


@dataclass
class Mesh:
    """What the control plane knows, and the controller at work."""

    api: ApiServer
    roots: str = "first"
    namespaces: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.controller = RootCertificates(self.api.client(), lambda: self.roots, lambda: self.namespaces)

    async def until(self, namespace: str, wanted: str, within_s: float = 10) -> dict[str, Any]:
        """The ConfigMap, as soon as it has these roots."""
        async with asyncio.timeout(within_s):
            while True:
                found = await asyncio.to_thread(config_map, self.api, namespace)
                if found.get("data", {}).get(ROOTS_KEY) == wanted:
                    return found


def config_map(api: ApiServer, namespace: str) -> dict[str, Any]:
    done = api.kubectl("get", "configmap", ROOTS_CONFIG_MAP, "-n", namespace, "-o", "json", check=False)
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found


def create(api: ApiServer, *names: str) -> None:
    api.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names))


@pytest.fixture
async def mesh(api_server: ApiServer, namespace: str) -> AsyncIterator[Mesh]:
    mesh = Mesh(api_server, namespaces=[namespace])
    running = asyncio.create_task(mesh.controller.run())
    yield mesh
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_new_namespace_gets_them_at_once(mesh: Mesh, namespace: str) -> None:
    found = await mesh.until(namespace, "first")
    assert found["metadata"]["labels"] == {"app.kubernetes.io/part-of": "plait", "istio.io/config": "true"}
    create(mesh.api, f"{namespace}-new")
    mesh.namespaces.append(f"{namespace}-new")
    mesh.controller.changed()
    await mesh.until(f"{namespace}-new", "first", within_s=2)


async def test_other_roots_are_written_everywhere(mesh: Mesh, namespace: str) -> None:
    await mesh.until(namespace, "first")
    mesh.roots = "first\nsecond"
    mesh.controller.changed()
    await mesh.until(namespace, "first\nsecond", within_s=2)


async def test_what_somebody_else_has_written_is_put_right(
    mesh: Mesh, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mesh.until(namespace, "first")
    monkeypatch.setattr(root_certificates, "_EVERY", root_certificates._EVERY / 600)
    mesh.api.kubectl(
        "patch",
        "configmap",
        ROOTS_CONFIG_MAP,
        "-n",
        namespace,
        "-p",
        json.dumps({"data": {ROOTS_KEY: "his", "more": "x"}}),
    )
    mesh.controller.changed()
    found = await mesh.until(namespace, "first")
    assert found["data"]["more"] == "x"  # not ours
    mesh.api.kubectl("delete", "configmap", ROOTS_CONFIG_MAP, "-n", namespace)
    mesh.controller.changed()
    await mesh.until(namespace, "first")


async def test_namespaces_that_are_gone_or_going_hold_nobody_up(mesh: Mesh, namespace: str) -> None:
    going, other = f"{namespace}-going", f"{namespace}-other"
    create(mesh.api, going, other)
    mesh.api.kubectl("delete", "namespace", going, "--wait=false")  # nobody finalizes it here
    with capture_logs() as logs:
        mesh.namespaces += ["never-was", going, other]
        mesh.controller.changed()
        await mesh.until(other, "first")
    assert [each for each in logs if each["event"] == Event.ROOT_CERTIFICATES_NOT_WRITTEN] == []
    assert config_map(mesh.api, going) == {}


async def test_few_rights_are_enough(api_server: ApiServer, namespace: str) -> None:
    """Those on ConfigMaps of that name only."""
    user = f"{namespace}-user"
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [ROOTS_CONFIG_MAP]}
    api_server.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": user},
            "rules": [{**rule, "verbs": ["create", "list", "patch"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        },
    )
    client = api_server.client()
    client.set_default_header("Impersonate-User", user)
    controller = RootCertificates(client, lambda: "few", lambda: [namespace])
    running = asyncio.create_task(controller.run())
    try:
        await Mesh(api_server).until(namespace, "few")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.slow
async def test_a_thousand_namespaces(own_api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root_certificates, "_BETWEEN_S", 0.0)
    names = [f"n{number}" for number in range(1000)]
    objects = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    await asyncio.to_thread(own_api_server.kubectl, "create", "-f", "-", stdin=yaml.safe_dump_all(objects))
    mesh = Mesh(own_api_server, namespaces=names)
    with capture_logs() as logs:
        running = asyncio.create_task(mesh.controller.run())
        await until(lambda: logs, 90)
        assert [(each["event"], each["count"]) for each in logs] == [(Event.ROOT_CERTIFICATES_WRITTEN, 1000)]
        mesh.namespaces.append("default")
        mesh.controller.changed()
        await mesh.until("default", "first")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert logs[1]["count"] == 1
