"""What was given on demand, and goes or comes back under a live proxy: its clients see what other clients see."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.envoy.manifests import Manifest, documents, namespace, pod, service
from xds.sources import demands
from xds.testing.mesh import Mesh

LAZY = {"plait.dev/outbound": "on-demand"}
HOSTS = ("web.shop", "web.shop.svc.cluster.local", "web.shop.svc.cluster.local:80")


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"), namespace("istio-system", inject=False), pod("web-v1"), service("web"), service("other")
    )


def place(name: str, *, lazy: bool) -> str:
    """A namespace and its client; the namespace's label says whether it holds what it uses."""
    found = namespace(name)
    if lazy:
        found["metadata"]["labels"] |= LAZY
    client = pod("client")
    client["metadata"]["namespace"] = name
    return documents(found, client)


async def statuses(mesh: Mesh, client: str) -> dict[str, int]:
    answers = {host: await mesh.get(client, "http://web.shop/", headers={"Host": host}) for host in HOSTS}
    return {host: answer.status for host, answer in answers.items()}


FINE = dict.fromkeys(HOSTS, 200)


async def test_a_service_that_goes_and_comes_back(mesh: Mesh) -> None:
    await mesh.apply(place("gone", lazy=True), "gone.yaml")
    late: list[Manifest] = [pod("late-v1"), service("late")]
    for _ in range(2):
        await mesh.apply(documents(*late))
        assert await answering(mesh) == "late-v1"
        await mesh.delete()
        assert await answering(mesh) == "web-v1"  # let through to where it was sent
    await mesh.apply(documents(*late))
    assert await answering(mesh) == "late-v1"


async def answering(mesh: Mesh) -> str:
    return (await mesh.get("gone/client", "http://web.shop/", headers={"Host": "late.shop"})).pod


async def test_the_label_off_and_on_again(mesh: Mesh) -> None:
    await mesh.apply(place("flip", lazy=True), "flip.yaml")
    assert await statuses(mesh, "flip/client") == FINE
    async with mesh.load("flip/client", "http://web.shop/", 50.0, concurrency=4) as load:
        for lazy in (False, True, False, True):
            await mesh.apply(place("flip", lazy=lazy), "flip.yaml")
            assert await statuses(mesh, "flip/client") == FINE
    assert load.failed == []


async def test_the_label_on_for_who_has_everything(mesh: Mesh) -> None:
    await mesh.apply(place("late", lazy=False), "late.yaml")
    assert await statuses(mesh, "late/client") == FINE
    await mesh.apply(place("late", lazy=True), "late.yaml")
    assert await statuses(mesh, "late/client") == FINE


async def test_who_asks_for_too_much_has_everything(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demands, "MOST_HOSTS", 2)
    await mesh.apply(place("many", lazy=True), "many.yaml")
    assert await statuses(mesh, "many/client") == FINE
    for number in range(2):
        answer = await mesh.get("many/client", "http://web.shop/", headers={"Host": f"none-{number}.shop"})
        assert answer.pod == "web-v1"  # let through
        assert answer.elapsed < timedelta(seconds=1.5)
    assert (await mesh.get("many/client", "http://web.shop/", headers={"Host": "web.shop:80"})).status == 200
    await mesh.settled()
    assert await statuses(mesh, "many/client") == FINE


async def test_the_label_under_load_costs_no_request(mesh: Mesh) -> None:
    await mesh.apply(place("switch", lazy=False), "switch.yaml")
    assert await statuses(mesh, "switch/client") == FINE
    drained = await mesh.stats("switch/client", "listener_manager.(listener_modified|listener_in_place_updated)")
    async with mesh.load("switch/client", "http://web.shop/", 100.0, concurrency=4) as load:
        for lazy in (True, False, True, False, True):
            await mesh.apply(place("switch", lazy=lazy), "switch.yaml")
            assert await statuses(mesh, "switch/client") == FINE
    assert load.failed == []
    assert (
        await mesh.stats("switch/client", "listener_manager.(listener_modified|listener_in_place_updated)") == drained
    )
