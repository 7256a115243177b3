"""What istioctl's users type, against a mesh that runs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from tests.envoy.manifests import (
    destination_rule,
    documents,
    gateway,
    namespace,
    pod,
    router,
    security,
    server,
    service,
    subsets,
    to,
    virtual_service,
)
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

PLAIT = (sys.executable, "-c", "from xds.cli import main; main()")
WEB = "web.shop.svc.cluster.local"


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("ingress"),
        pod("client", account="client"),
        pod("web-v1", account="web"),
        service("web"),
        destination_rule("web", subsets=subsets("v1")),
        virtual_service("web", {"route": [to("web", "v1")]}),
        virtual_service("web.example", {"route": [to("web")]}, name="edge", gateways=["edge"]),
        security("PeerAuthentication", "strict", mtls={"mode": "STRICT"}),
        security("AuthorizationPolicy", "readers", selector={"matchLabels": {"app": "web"}}, rules=[{}]),
        *router("edge"),
        gateway("edge", server(80, "HTTP", "web.example")),
    )


async def plait(mesh: Mesh, *words: str) -> str:
    """What the command prints."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*PLAIT, *words, "--mesh", mesh.name, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_describe(mesh: Mesh) -> None:
    lines = (await plait(mesh, "x", "describe", "pod", "web-v1.shop")).splitlines()
    assert lines[0] == "Pod: web-v1.shop"
    assert {"  Proxy: sidecar", "  Mutual TLS: STRICT", "  AuthorizationPolicy shop/readers"} <= set(lines)
    assert {f"Service: {WEB}", "  DestinationRule shop/web, subsets v1", "  VirtualService shop/web"} <= set(lines)
    told = json.loads(await plait(mesh, "x", "describe", "svc", "web", "-n", "shop", "-o", "json"))
    assert told["pods"] == ["shop/web-v1"]
    assert [each["gateways"] for each in told["routes"]] == [["edge"], ["mesh"]]
    assert "  Proxy: gateway" in (await plait(mesh, "describe", "pod", "edge", "-n", "ingress")).splitlines()


async def test_wait_and_status(mesh: Mesh) -> None:
    await plait(mesh, "experimental", "wait", "VirtualService", "web.shop")
    for words in (("ps",), ("x", "ps"), ("proxy-status", "-o", "short")):
        assert "web-v1.shop" in await plait(mesh, *words)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("cluster web-v1.shop --fqdn web.shop.svc.cluster.local --port 80 --direction outbound --subset v1", WEB),
        ("c web-v1 -n shop", WEB),
        ("listener web-v1.shop --port 15006", "15006"),
        ("route pod/web-v1 -n shop", WEB),
        ("ep web-v1.shop --cluster outbound|80|v1|web.shop.svc.cluster.local", "8080"),
        ("secret web-v1.shop", "ROOTCA"),
        ("bootstrap web-v1.shop -o json", "bootstrap"),
        ("all web-v1.shop -o short", WEB),
        ("ecds web-v1.shop", "authorization-allow"),
    ],
)
async def test_proxy_config(mesh: Mesh, words: str, wanted: str) -> None:
    assert wanted in await plait(mesh, "pc", *words.split())


@pytest_asyncio.fixture
async def log(mesh: Mesh) -> AsyncIterator[Sequence[str]]:
    """The words that tell of the levels of a proxy, which are as before afterwards."""
    words = ("pc", "log", "web-v1.shop")
    yield words
    await plait(mesh, *words, "--reset")


async def test_levels_are_told_and_set(mesh: Mesh, log: Sequence[str]) -> None:
    def level(told: str) -> str:
        return next(line.split()[1] for line in told.splitlines() if line.split()[0] == "router")

    before = level(await plait(mesh, *log))
    assert before != "debug"
    assert level(await plait(mesh, *log, "--level", "router:debug")) == "debug"
    assert level(await plait(mesh, *log)) == "debug"
