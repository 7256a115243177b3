"""What draining costs: HTTP callers leave a chain that drains, over HTTP/1 and HTTP/2, before its end cuts them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest

from tests.envoy.manifests import Manifest, destination_rule, documents, namespace, pod, service
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

HCM: Final = "envoy.filters.network.http_connection_manager"
MANAGER: Final = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
DRAINING: Final = "listener_manager.total_filter_chains_draining"
LIMIT: Final = timedelta(seconds=60)


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(namespace("shop"), pod("client"), pod("web-v1"), service("web"))


def patched(kilobytes: int) -> Manifest:
    """A patch of the HTTP connection managers of ``web``: each value makes other chains."""
    value: dict[str, Any] = {"typed_config": {"@type": MANAGER, "max_request_headers_kb": kilobytes}}
    match = {"context": "SIDECAR_INBOUND", "listener": {"filterChain": {"filter": {"name": HCM}}}}
    patch = {"applyTo": "NETWORK_FILTER", "match": match, "patch": {"operation": "MERGE", "value": value}}
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "chains", "namespace": "shop"},
        "spec": {"workloadSelector": {"labels": {"app": "web"}}, "configPatches": [patch]},
    }


@pytest.mark.parametrize("policy", ["DO_NOT_UPGRADE", "UPGRADE"])
async def test_requests_leave_a_chain_that_drains(mesh: Mesh, policy: str) -> None:
    rule = destination_rule("web", trafficPolicy={"connectionPool": {"http": {"h2UpgradePolicy": policy}}})
    await mesh.apply(documents(rule, patched(61)))

    async def draining() -> bool:
        return bool((await mesh.stats("web-v1", DRAINING))[DRAINING])

    async def drained() -> bool:
        return not await draining()

    await mesh.until(drained, "what drained before is gone", LIMIT)
    async with mesh.load("client", "http://web/?delay=20ms", 100, concurrency=4) as load:
        await mesh.apply(documents(rule, patched(62)))
        await mesh.until(draining, "the chains drain", LIMIT)
        during = len(load.answers)
        await mesh.until(drained, "the chains are gone", LIMIT)
    assert len(load.answers) > during
    assert [(each.status, each.error or each.body[:200]) for each in load.failed] == []
