"""Blast radius of one: forty objects that an Envoy would refuse among five hundred good ones harm nobody else."""

from __future__ import annotations

import asyncio

import pytest

from tests.envoy.bad_objects import bad_objects
from tests.envoy.manifests import documents, namespace, pod, service
from xds.model.problem import Severity
from xds.testing.mesh import Mesh

GOOD = 250
SAMPLE = range(0, GOOD, 10)


def virtual_service(number: int, version: str) -> dict[str, object]:
    name = f"good-{number:03}"
    answer = {"headers": {"response": {"set": {"x-version": version}}}}
    spec = {"hosts": [name], "http": [{"route": [{"destination": {"host": name}}], **answer}]}
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": spec}


def good(version: str) -> str:
    services = [service(f"good-{number:03}", selector={"app": "web"}) for number in range(GOOD)]
    return documents(*services, *(virtual_service(number, version) for number in range(GOOD)))


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(namespace("shop"), pod("client"), pod("web-v1"), service("web"))


async def serve(mesh: Mesh, version: str) -> None:
    assert (await mesh.get("client", "http://web")).status == 200
    for number in SAMPLE:
        answer = await mesh.get("client", f"http://good-{number:03}")
        assert (answer.status, answer.headers.get("x-version")) == (200, version), number


async def restart(mesh: Mesh, name: str) -> None:
    """End the pod's Envoy, and return when another one is there and in force."""
    key = mesh.pod(name)
    before = await uptime(mesh, name)
    await mesh.local.admin_get(key, "/quitquitquit", method="POST")

    async def another() -> bool:
        try:
            return await uptime(mesh, name) < before
        except (OSError, ValueError, KeyError):
            return False

    await mesh.until(another, f"another Envoy beside {name}")


async def uptime(mesh: Mesh, name: str) -> float:
    stats = await mesh.stats(name, "server.(uptime|state)")
    assert stats["server.state"] == 0
    return float(stats["server.uptime"]) + 1


@pytest.mark.timeout(240)
async def test_exactly_the_bad_ones_are_refused(mesh: Mesh) -> None:
    await mesh.apply(good("one"), "good.yaml")
    bad = bad_objects()
    assert len(bad) == 40
    await mesh.apply(documents(*bad), "bad.yaml")
    wanted = {each["metadata"]["name"] for each in bad}

    def errors() -> set[str]:
        return {each.at.object.name for each in mesh.problems if each.severity is Severity.ERROR}

    async def named() -> bool:
        return errors() >= wanted

    await mesh.until(named, "all bad objects are named")
    assert errors() == wanted
    assert not mesh.take_rejections(), "no proxy is sent anything that it refuses"
    await serve(mesh, "one")
    await asyncio.sleep(1.1)  # Envoy counts its uptime in seconds
    for name in ("client", "web-v1"):
        await restart(mesh, name)

    async def ready() -> bool:
        return (await mesh.get("client", "http://web")).status == 200

    await mesh.until(ready, "the pods are ready again")
    await serve(mesh, "one")
    await mesh.apply(good("two"), "good.yaml")
    await serve(mesh, "two")
    assert errors() == wanted
    await mesh.delete("bad.yaml")

    async def none() -> bool:
        return not errors()

    await mesh.until(none, "nothing is wrong any more")
    assert not mesh.take_rejections()
