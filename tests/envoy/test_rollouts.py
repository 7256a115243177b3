"""Harmful but valid changes that roll out in steps, in a real mesh with traffic: the first cohort stops them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.envoy.manifests import Manifest, documents, namespace, pod, security, service, to
from xds.rollout.progress import Phase
from xds.slices import at_once
from xds.telemetry.known import Wanted
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

V1 = {"version": "v1"}
CLIENTS, SERVERS = ("client-1", "client-2", "client-3"), ("web-1", "web-2", "web-3")
TOLD = timedelta(seconds=60)  # proxies tell every ten seconds
MISSED = timedelta(seconds=120)  # what nobody counts is missed when others have gone on for a while
RATE = 10.0


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        *(pod(name, labels=V1, account="client") for name in CLIENTS),
        *(pod(name, labels=V1, account="web") for name in SERVERS),
        service("web"),
        security("PeerAuthentication", "default", mtls={"mode": "STRICT"}),
    )


def staged(group: str, kind: str, **spec: Any) -> Manifest:
    metadata = {"name": "tried", "namespace": "shop", "annotations": {"plait.dev/rollout": "staged"}}
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": spec}


def routes(*http: Manifest) -> Manifest:
    return staged("networking.istio.io/v1", "VirtualService", hosts=["web"], http=list(http))


def rule(**policy: Any) -> Manifest:
    return staged("networking.istio.io/v1", "DestinationRule", host="web", trafficPolicy=policy)


def policy(**spec: Any) -> Manifest:
    return staged("security.istio.io/v1", "AuthorizationPolicy", selector={"matchLabels": {"app": "web"}}, **spec)


WEB = [to("web")]
HARMFUL: dict[str, Manifest] = {
    "a subset that nobody has": routes({"route": [to("web", "v9")]}),
    "half of it to a subset that nobody has": routes({"route": [to("web", "v9", 50), to("web", weight=50)]}),
    "a host that does not exist": routes({"route": [to("wbe")]}),
    "a port that nobody serves": routes({"route": [{"destination": {"host": "web", "port": {"number": 81}}}]}),
    "a timeout of a millisecond": routes({"route": WEB, "timeout": "1ms"}),
    "a timeout of each try": routes({"route": WEB, "retries": {"attempts": 1, "perTryTimeout": "1ms"}}),
    "a match that nothing has": routes({"match": [{"headers": {"x-beta": {"exact": "yes"}}}], "route": WEB}),
    "a match of another path": routes({"match": [{"uri": {"prefix": "/v2/"}}], "route": WEB}),
    "an answer for all": routes({"directResponse": {"status": 410}}),
    "aborts": routes({"route": WEB, "fault": {"abort": {"httpStatus": 500, "percentage": {"value": 100}}}}),
    "some aborts": routes({"route": WEB, "fault": {"abort": {"httpStatus": 503, "percentage": {"value": 40}}}}),
    "delays": routes({"route": WEB, "fault": {"delay": {"fixedDelay": "600ms", "percentage": {"value": 100}}}}),
    "no encryption where it is asked for": rule(tls={"mode": "DISABLE"}),
    "another encryption": rule(tls={"mode": "SIMPLE", "sni": "web"}),
    "a name that the server has not": rule(
        tls={"mode": "ISTIO_MUTUAL", "subjectAltNames": ["spiffe://other/ns/a/sa/b"]}
    ),
    "nobody is let in": policy(),
    "everybody is denied": policy(action="DENY", rules=[{}]),
    "another caller is let in": policy(rules=[{"from": [{"source": {"principals": ["cluster.local/ns/a/sa/b"]}}]}]),
    "another method is let in": policy(rules=[{"to": [{"operation": {"methods": ["POST"]}}]}]),
    "nothing is reached any more": staged("networking.istio.io/v1", "Sidecar", egress=[{"hosts": ["~/*"]}]),
    "a path is denied": policy(action="DENY", rules=[{"to": [{"operation": {"paths": ["/items*"]}}]}]),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traffic(module_mesh: Mesh) -> AsyncIterator[None]:
    """Requests from all clients, of which the control plane has been told."""
    async with contextlib.AsyncExitStack() as stack:
        for name in CLIENTS:
            await stack.enter_async_context(module_mesh.load(name, "http://web/items?delay=20ms", RATE))

        async def told() -> bool:
            edges = at_once(module_mesh.up.control_plane.telemetry.known.graph(60, Wanted()))
            return sum(edge.signals.requests for edge in edges) > 20 * len(CLIENTS)

        await module_mesh.until(told, "proxies have told of requests", TOLD)
        yield


# One a kind; the others take ten seconds each, as proxies tell every ten.
USUAL = ("a subset that nobody has", "a timeout of a millisecond", "everybody is denied")


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=() if what in USUAL else pytest.mark.slow) for what in HARMFUL]
)
async def test_harm_is_stopped_in_the_first_cohort(mesh: Mesh, traffic: None, what: str) -> None:
    rollouts = mesh.up.control_plane.rollouts
    before = len(rollouts.ended)
    began = time.monotonic()
    await mesh.apply(documents(HARMFUL[what]))

    async def ended() -> bool:
        return len(rollouts.ended) > before

    await mesh.until(ended, "it has come back", MISSED)
    standing = rollouts.ended[-1].standing
    progress = standing.progress
    assert progress is not None
    print(f"{what}: {progress.phase} {standing.cohort} after {time.monotonic() - began:.1f} s, {progress.reason}")
    assert progress.phase is Phase.ABORTED
    assert progress.step == 0
    assert len(standing.cohort) == 1
