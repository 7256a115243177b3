"""Blast radius of one: forty objects that an Envoy would refuse among five hundred good ones harm nobody else."""

from __future__ import annotations

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
    await mesh.local.admin_get(mesh.pod(name), "/quitquitquit", method="POST")

    async def ended() -> bool:
        return await state(mesh, name) == ""

    async def live() -> bool:
        return await state(mesh, name) == "LIVE"

    await mesh.until(ended, f"the end of the Envoy beside {name}")
    await mesh.until(live, f"another Envoy beside {name}")


async def state(mesh: Mesh, name: str) -> str:
    """What the pod's Envoy says of itself; empty where there is none."""
    try:
        _, said = await mesh.local.admin_get(mesh.pod(name), "/ready")
    except OSError:
        return ""
    return said.decode().strip()


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
