"""A service spread over two API servers, each with a control plane of its own, under one root: who is called, and what
its callers see of the loss of either. The pods of both are on one network.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.envoy.control_planes import jwks
from tests.envoy.manifests import pod, security, service, virtual_service
from tests.kube.api_server import ApiServer
from tests.kube.remotes import ROOT, endpoint_slice, namespace, remote_secret
from xds.callers.join_tokens import ISSUER, JoinTokens
from xds.kinds.crds.definitions import all_crds
from xds.local import sidecar
from xds.local.mesh import LocalMesh, unavailable
from xds.local.pod_tokens import PodTokens
from xds.local.pods import Container, ContainerPort, PodKey, PodSpec
from xds.local.services import LocalService, ServicePort
from xds.local.settings import LocalSettings
from xds.model.security import TLS_MODE_ISTIO, TLS_MODE_LABEL
from xds.testing.pods import Pods

pytestmark = [
    pytest.mark.skipif(unavailable() != "", reason=f"no local mesh here: {unavailable()}"),
    pytest.mark.timeout(400),  # two API servers start, and each starts again
]

PLAIT = Path(sys.executable).with_name("plait")
VIRTUAL = {"east": "10.96.0.80", "west": "10.96.7.80"}
WEB = f"http://{VIRTUAL['east']}/"
CLIENT, EAST, WEST = (PodKey("shop", name) for name in ("client", "web-east", "web-west"))
HOME = {CLIENT: "east", EAST: "east", WEST: "west"}
LIMIT = timedelta(seconds=120)
RETRIED = "connect-failure,refused-stream,reset,503"
BY_CLUSTER = (
    virtual_service(
        "web",
        *[
            {
                "match": [{"headers": {"to": {"exact": cluster}}}],
                "route": [{"destination": {"host": "web", "subset": cluster}}],
            }
            for cluster in VIRTUAL
        ],
        # What is under way at a pod that ends is cut, and its proxy may outlive its application and say so: 503.
        {"route": [{"destination": {"host": "web"}}], "retries": {"attempts": 3, "retryOn": RETRIED}},
    ),
    {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "host": "web",
            "trafficPolicy": {
                "loadBalancer": {"simple": "ROUND_ROBIN"},
                # Half of all requests are tried again at once, for as long as nothing is ejected.
                "retryBudget": {"percent": 100, "minRetryConcurrency": 10},
                "outlierDetection": {"consecutive5xxErrors": 1, "baseEjectionTime": "60s", "maxEjectionPercent": 100},
            },
            "subsets": [{"name": name, "labels": {"topology.istio.io/cluster": name}} for name in VIRTUAL],
        },
    },
)


def spec(key: PodKey) -> PodSpec:
    app, _, version = key.name.partition("-")
    container = Container("app", image="plait/echo", ports=(ContainerPort(8080, "http"),))
    labels = {"app": app, "version": version, TLS_MODE_LABEL: TLS_MODE_ISTIO}
    return PodSpec(key.namespace, key.name, (container,), labels=labels, inject=True, service_account=app)


def install(server: ApiServer, cluster: str, mesh: LocalMesh) -> None:
    """Put the cluster's part of the mesh into its API server."""
    strict = security("PeerAuthentication", "strict", mtls={"mode": "STRICT"})
    kinds = {strict["kind"], *(each["kind"] for each in BY_CLUSTER)}
    definitions = [each for each in all_crds() if each["spec"]["names"]["kind"] in kinds]
    server.apply(*definitions, ROOT, namespace("shop"))
    server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    own = [key for key, home in HOME.items() if home == cluster]
    behind = [mesh.statuses[key].ip for key in own if key is not CLIENT]
    server.apply(strict, service("web", clusterIP=VIRTUAL[cluster]), endpoint_slice("web", *behind))
    for key in own:
        app = key.name.partition("-")[0]
        server.apply(pod(key.name, labels={TLS_MODE_LABEL: TLS_MODE_ISTIO}, account=app))
        address = mesh.statuses[key].ip
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        patch = ("patch", "pod", key.name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
        server.kubectl("-n", "shop", *patch)


@asynccontextmanager
async def served(cluster: str, server: ApiServer, mesh: LocalMesh, folder: Path) -> AsyncIterator[None]:
    """The cluster's control plane, when its socket is there."""
    socket = mesh.socket_path(cluster)
    settings = {
        "kubeconfig": server.kubeconfig,
        "cluster-id": cluster,
        "xds-plaintext": f"unix:{socket}",
        "xds": "",
        "http": "",
        "prover": "off",
        "ca-dir": folder / "ca",
        "token-issuer": ISSUER,
        "token-keys": folder / "keys.json",
    }
    options = [str(word) for name, value in settings.items() for word in (f"--{name}", value)]
    with (folder / f"{cluster}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(PLAIT, "serve", *options, stderr=log)
    try:
        async with asyncio.timeout(LIMIT.total_seconds()):
            while not socket.is_socket():
                assert process.returncode is None, (folder / f"{cluster}.log").read_text()
                await asyncio.sleep(0.05)
        mesh.open_to_proxies(cluster)
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def two_clusters(servers: dict[str, ApiServer], folder: Path) -> AsyncIterator[Pods]:
    """Pods of both clusters with their sidecars, each led by its own cluster's control plane."""
    joining = JoinTokens()
    (folder / "keys.json").write_text(jwks(joining))

    def token(of: PodSpec, life: timedelta) -> str:
        return joining.issue(of.namespace, of.service_account, of.name, now=datetime.now(UTC), lifetime=life)

    settings = LocalSettings(name=f"clusters-{os.getpid()}")
    led = {cluster: sidecar.bootstraps(settings, cluster, tokens=True) for cluster in servers}

    def bootstrap(of: PodSpec, addresses: tuple[str, ...]) -> dict[str, Any]:
        return led[HOME[of.key]](of, addresses)

    async with AsyncExitStack() as stack:
        mesh = await stack.enter_async_context(LocalMesh(settings, bootstrap, print, tokens=PodTokens(token)))
        pods = Pods(mesh, settings.name)
        await mesh.apply(map(spec, HOME))
        for cluster, server in servers.items():
            await asyncio.to_thread(install, server, cluster, mesh)
        port = ServicePort(80, backends=((mesh.statuses[EAST].ip, 8080),), name="http")
        mesh.set_services([LocalService("shop", "web", (VIRTUAL["east"],), (port,))])
        for cluster, server in servers.items():
            other = next(name for name in servers if name != cluster)
            await asyncio.to_thread(server.apply, remote_secret(other, servers[other]))
            await stack.enter_async_context(served(cluster, server, mesh, folder))
        await mesh.until_ready(LIMIT)
        await mesh.services_loaded()
        yield pods
        await pods.close()


async def shares(pods: Pods, count: int = 200) -> Counter[str]:
    """Who answers, of so many requests; all are to be answered."""
    answers = await pods.requests("client", WEB, count, concurrency=8)
    assert {answer.status for answer in answers} == {200}, Counter(answer.status for answer in answers)
    return Counter(answer.pod for answer in answers)


async def balanced(pods: Pods) -> None:
    """Return when both clusters' pods answer about equally often."""

    async def both() -> bool:
        found = await shares(pods, 40)
        return len(found) == 2

    await pods.until(both, "endpoints of both clusters")
    found = await shares(pods)
    assert min(found[str(EAST.name)], found[str(WEST.name)]) >= 60, found


async def without_an_api_server(pods: Pods) -> None:
    """Have requests made while nobody tells of one of the clusters; both go on answering."""
    async with pods.load("client", WEB, 100.0, concurrency=4) as load:
        await asyncio.sleep(2)  # load while one API server is away
    assert load.failed == []
    assert {answer.pod for answer in load.answers} == {EAST.name, WEST.name}


async def test_a_service_of_two_clusters_survives_the_loss_of_either(
    own_api_server: ApiServer, other_api_server: ApiServer, tmp_path: Path
) -> None:
    servers = {"east": own_api_server, "west": other_api_server}
    async with two_clusters(servers, tmp_path) as pods:
        await balanced(pods)  # under STRICT, so with the remote's identity
        await asyncio.to_thread(servers["east"].apply, *BY_CLUSTER)

        async def chosen() -> bool:
            answers = [
                each for name in VIRTUAL for each in await pods.requests("client", WEB, 10, headers={"to": name})
            ]
            return [each.status == 200 and each.pod for each in answers] == [EAST.name] * 10 + [WEST.name] * 10

        await pods.until(chosen, "subsets by cluster")

        await asyncio.to_thread(servers["east"].stop)
        await without_an_api_server(pods)
        await asyncio.to_thread(servers["east"].start)
        await asyncio.to_thread(servers["west"].stop)
        await without_an_api_server(pods)

        # The rest of that cluster, too: its pods, of which nobody tells that they are gone.
        async with pods.load("client", WEB, 20.0, concurrency=8, timeout_s=30.0) as load:
            await pods.local.apply([spec(CLIENT), spec(EAST)])
            await asyncio.sleep(5)  # load while one cluster is gone
        assert load.failed == []
        assert Counter(answer.pod for answer in load.answers)[EAST.name] >= 20
        await asyncio.to_thread(servers["east"].kubectl, "-n", "istio-system", "delete", "secret", "--all")

        async def alone() -> bool:
            return set(await shares(pods, 20)) == {EAST.name} and "west" not in await seen_by_client(pods)

        await pods.until(alone, "endpoints of the removed cluster gone")


async def seen_by_client(pods: Pods) -> set[str]:
    """Which clusters' pods the client's Envoy knows as endpoints of the service."""
    _, told = await pods.local.admin_get(CLIENT, "/clusters")
    addresses = {pods.local.statuses[EAST].ip: "east"}
    lines = [
        line
        for line in told.decode().splitlines()
        if line.startswith("outbound|80||web.shop") and "::health_flags" in line
    ]
    return {addresses.get(line.split("::")[1].rpartition(":")[0], "west") for line in lines}
