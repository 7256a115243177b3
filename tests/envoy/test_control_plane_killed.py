"""A control plane that dies under load costs no request, and its successor sends nothing that the proxies have."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.envoy.control_planes import jwks
from tests.envoy.manifests import ALL_STATS, Manifest, documents, namespace, pod, security, service, virtual_service
from xds.callers.join_tokens import ISSUER, JoinTokens
from xds.local import sidecar
from xds.local.mesh import LocalMesh
from xds.local.pod_tokens import PodTokens
from xds.local.pods import Container, ContainerPort, PodKey, PodSpec
from xds.local.services import LocalService, ServicePort
from xds.local.settings import LocalSettings
from xds.model.security import TLS_MODE_ISTIO, TLS_MODE_LABEL
from xds.testing.pods import Pods

ADDRESS = "10.96.0.80"
WEB = f"http://{ADDRESS}/"
CLIENT, SERVER = PodKey("shop", "client"), PodKey("shop", "web-v1")
PODS = (CLIENT, SERVER)
SOCKET = "xds"
PLAIT = Path(sys.executable).with_name("plait")
RATE = 200.0
CLIENTS = 8


def spec(key: PodKey) -> PodSpec:
    app, _, version = key.name.partition("-")
    container = Container("app", image="plait/echo", ports=(ContainerPort(8080, "http"),))
    labels = {"app": app, "version": version}
    return PodSpec(key.namespace, key.name, (container,), labels=labels, annotations=ALL_STATS, inject=True)


def manifests(mesh: LocalMesh, *, proven: bool = False, of: Iterable[PodKey] = PODS) -> str:
    """What a cluster would hold while these pods run; their sidecars take mutual TLS when they are proven."""
    labels = {TLS_MODE_LABEL: TLS_MODE_ISTIO} if proven else {}
    running = [
        {**pod(key.name, labels=labels), "status": {"phase": "Running", "podIP": mesh.statuses[key].ip}} for key in of
    ]
    endpoint = {"addresses": [mesh.statuses[SERVER].ip], "conditions": {"ready": True}}
    behind: Manifest = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [endpoint],
    }
    return documents(namespace("shop"), service("web", clusterIP=ADDRESS), behind, *running)


@asynccontextmanager
async def served(mesh: LocalMesh, folder: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The control plane as a process of its own, when its socket is there; killed at the end."""
    socket = mesh.socket_path(SOCKET)
    socket.unlink(missing_ok=True)
    command = ("serve", "--manifests", str(folder), "--xds-plaintext", f"unix:{socket}", "--xds", "", "--http", "")
    process = await asyncio.create_subprocess_exec(PLAIT, *command, *options)
    try:
        async with asyncio.timeout(20):
            while not socket.is_socket():  # noqa: ASYNC110 (the process tells nobody)
                await asyncio.sleep(0.02)
        mesh.open_to_proxies(SOCKET)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def connected(pods: Pods, wanted: int, of: Iterable[PodKey] = PODS) -> None:
    """Return when so many of the proxies are connected to a control plane."""

    async def as_wanted() -> bool:
        found = [await pods.stats(str(key), "control_plane.connected_state") for key in of]
        return sum(sum(each.values()) for each in found) == wanted

    await pods.until(as_wanted, f"{wanted} proxies connected")


async def updates(pods: Pods) -> dict[str, int]:
    """How often each subscription of the proxies took something in."""
    found: dict[str, int] = {}
    for key in PODS:
        stats = await pods.stats(str(key), r"(update_success|config_reload|update_rejected)$")
        found |= {f"{key} {name}": value for name, value in stats.items()}
    return found


@asynccontextmanager
async def running(folder: Path, tokens: PodTokens | None = None) -> AsyncIterator[Pods]:
    """The pods and what a cluster would say of them in ``folder``; with sidecars that prove who they are, or not."""
    settings = LocalSettings(name=f"killed-{os.getpid()}")
    bootstraps = sidecar.bootstraps(settings, SOCKET, tokens=tokens is not None)
    async with LocalMesh(settings, bootstraps, print, tokens=tokens) as mesh:
        pods = Pods(mesh, settings.name)
        await mesh.apply(map(spec, PODS))
        (folder / "cluster.yaml").write_text(manifests(mesh, proven=tokens is not None))
        port = ServicePort(80, backends=((mesh.statuses[SERVER].ip, 8080),), name="http")
        mesh.set_services([LocalService("shop", "web", (ADDRESS,), (port,))])
        yield pods
        await pods.close()


@pytest.fixture
async def pods(tmp_path: Path) -> AsyncIterator[Pods]:
    async with running(tmp_path) as found:
        yield found


async def test_killed_under_load(pods: Pods, tmp_path: Path) -> None:
    async with served(pods.local, tmp_path) as first:
        await pods.local.until_ready(timedelta(seconds=30))
        await pods.local.services_loaded()
        await connected(pods, 2)
        assert (await pods.get("client", WEB)).pod == "web-v1"
        async with pods.load("client", WEB, RATE, concurrency=CLIENTS) as load:
            await asyncio.sleep(1)  # load while all is well
            before = await updates(pods)
            first.kill()
            await first.wait()
            await connected(pods, 0)
            await asyncio.sleep(1)  # load while nobody controls
            async with served(pods.local, tmp_path):
                await connected(pods, 2)
                await asyncio.sleep(1)  # whatever it would send has come
                assert await updates(pods) == before
                gone = virtual_service(
                    "web", {"match": [{"uri": {"prefix": "/new"}}], "directResponse": {"status": 418}}
                )
                gone["spec"]["http"].append({"route": [{"destination": {"host": "web"}}]})
                (tmp_path / "route.yaml").write_text(documents(gone))

                async def in_force() -> bool:
                    return (await pods.get("client", f"{WEB}new")).status == 418

                await pods.until(in_force, "a change after the restart")
    assert load.failed == []
    assert load.connections == CLIENTS
    assert len(load.answers) >= 0.7 * RATE * 3


async def test_killed_while_it_is_the_ca(tmp_path: Path) -> None:
    joining, folder, keys_file = JoinTokens(), tmp_path / "manifests", tmp_path / "keys.json"
    folder.mkdir()
    keys_file.write_text(jwks(joining))
    (folder / "strict.yaml").write_text(documents(security("PeerAuthentication", "strict", mtls={"mode": "STRICT"})))
    trusted = ("--ca-dir", str(tmp_path / "ca"), "--token-issuer", ISSUER, "--token-keys", str(keys_file))
    tokens = PodTokens(lambda pod, life: issue(joining, pod, life))
    async with running(folder, tokens) as pods, served(pods.local, folder, *trusted) as first:
        await pods.local.until_ready(timedelta(seconds=30))
        await pods.local.services_loaded()
        await connected(pods, 2)
        assert (await pods.get("client", WEB)).status == 200
        before = await certificates(pods)
        async with pods.load("client", WEB, RATE, concurrency=CLIENTS) as load:
            first.kill()
            await first.wait()
            await connected(pods, 0)
            await asyncio.sleep(1)  # load while nobody controls
            async with served(pods.local, folder, *trusted):
                await connected(pods, 2)

                async def anew() -> bool:
                    return not before & await certificates(pods)

                await pods.until(anew, "certificates of the successor, which knows no keys of its predecessor's")
                await asyncio.sleep(1)  # load under the new certificates
                assert (await pods.get("client", WEB)).status == 200
    assert load.failed == []
    assert load.connections == CLIENTS


def issue(joining: JoinTokens, pod: PodSpec, life: timedelta) -> str:
    """What a pod proves itself with."""
    return joining.issue(pod.namespace, pod.service_account, pod.name, now=datetime.now(UTC), lifetime=life)


async def certificates(pods: Pods) -> set[str]:
    """The serial numbers of the sidecars' own certificates."""
    found = set()
    for key in PODS:
        _, answer = await pods.local.admin_get(key, "/certs")
        shown = json.loads(answer)
        found |= {each["serial_number"] for pair in shown["certificates"] for each in pair["cert_chain"]}
    return found
