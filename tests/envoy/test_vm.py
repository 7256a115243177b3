"""A machine joins: a network of its own, with what ``plait vm join`` wrote, a stock Envoy and an application.

The machine is the network namespace of a pod without a sidecar, of another label and account than the group's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from ca.authority import Authority
from ca.issuer import self_signed
from tests.envoy.manifests import Manifest, documents, namespace, pod, security, service
from xds.local import state
from xds.local.addresses import POD_NETWORK_V6
from xds.local.commands import User, inside_network, inside_pod, kill
from xds.local.settings import LocalSettings
from xds.model.interception import PROXY_ID
from xds.testing.mesh import Mesh
from xds.testing.pods import LIMIT

PLAIT = (sys.executable, "-c", "from xds.cli import main; main()")
THERE = Path("/run/plait/machine")
ID = "spiffe://cluster.local/ns/shop/sa/"


def group(**spec: Any) -> Manifest:
    template = {"serviceAccount": "vm", "ports": {"http": 8080}, "labels": {"app": "vms"}}
    metadata = {"name": "vms", "namespace": "shop"}
    kind = {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadGroup", "metadata": metadata}
    return {**kind, "spec": {"metadata": {"labels": {"tier": "old"}}, "template": template, **spec}}


@pytest.fixture(scope="module")
def mesh_settings() -> LocalSettings:
    return LocalSettings(pod_network_v6=POD_NETWORK_V6)


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    bare = {"sidecar.istio.io/inject": "false"}
    return documents(
        namespace("shop"),
        security("PeerAuthentication", "strict", mtls={"mode": "STRICT"}),
        pod("client", account="client"),
        pod("other", account="other"),
        pod("web"),
        pod("machine", annotations=bare),
        service("web"),
        service("web6", selector={"app": "web"}, ipFamilies=["IPv6"]),
        service("vms", {"name": "http", "port": 80, "targetPort": 9999}),
    )


class Machine:
    """The machine, and the Envoy on it while it runs."""

    def __init__(self, mesh: Mesh) -> None:
        here = next(each for each in state.running(state.state_folder()) if each.name == mesh.name)
        self.holder = state.find_pod(here, "shop", "machine").holder
        self.folder = Path(f"/proc/{here.node}/root{THERE}")
        self._mesh = mesh
        self._envoy: asyncio.subprocess.Process | None = None

    async def join(self) -> str:
        """What the command says; its files are on the machine then, and its rules are set."""
        own, other = self._mesh.local.statuses[self._mesh.pod("machine")].ips
        where = ("--address", own, "--other-address", other, "--mesh", self._mesh.name)
        words = ("vm", "join", "vms", "-n", "shop", *where)
        told = await asyncio.to_thread(
            subprocess.run, [*PLAIT, *words, "-o", str(self.folder), "--at", str(THERE)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        os.chown(self.folder / "token", PROXY_ID, PROXY_ID)  # as the unit does
        self.rules("on")
        return told.stdout

    def rules(self, word: str) -> None:
        script = ("env", "XTABLES_LOCKFILE=/dev/null", "sh", str(self.folder / "interception.sh"), word)
        subprocess.run(inside_network(self.holder, script), check=True, timeout=30)

    async def run(self) -> None:
        words = ("/run/plait/envoy", "--config-path", str(THERE / "envoy.json"), "--disable-hot-restart", "-l", "warn")
        self._envoy = await asyncio.create_subprocess_exec(*inside_pod(self.holder, User(PROXY_ID, PROXY_ID), words))

    async def kill(self) -> None:
        if self._envoy is not None:
            await kill(self._envoy)
            self._envoy = None


@contextlib.asynccontextmanager
async def machine_of(mesh: Mesh) -> AsyncIterator[Machine]:
    made = Machine(mesh)
    try:
        yield made
    finally:
        await made.kill()
        if made.folder.exists():
            made.rules("off")
            shutil.rmtree(made.folder)


async def status(mesh: Mesh, pod: str = "client") -> int:
    return (await mesh.get(pod, "http://vms/")).status


# What a probe asks: an answer that it is told by its argument, on a port of its own.
HEALTH: Final = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[1]) if self.headers["x-asked"] == "well" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 9090), Handler).serve_forever()
"""
PATIENCE: Final = LIMIT * 3  # programs start
PROBES: Final[dict[str, Manifest]] = {
    "httpGet": {"httpGet": {"port": 9090, "path": "/health", "httpHeaders": [{"name": "x-asked", "value": "well"}]}},
    "tcpSocket": {"tcpSocket": {"port": 9090}},
    "grpc": {"grpc": {"port": 9090}},
    "https": {"httpGet": {"port": 9090, "scheme": "HTTPS"}},
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, ...]]:
    """What answers each probe, and what answers that it is not well."""
    now, folder = datetime.now(UTC), tmp_path_factory.mktemp("probe")
    served = Authority(self_signed(now), "example.com").issue_server(["probe.test"], timedelta(days=1), now)
    pair = {"cert.pem": served.certificate_chain, "key.pem": served.private_key}
    for name, content in pair.items():
        (folder / name).write_bytes(content)
    tls = ("--tls", *(str(folder / name) for name in pair))
    plain, unwell = ((sys.executable, "-c", HEALTH, status) for status in ("200", "500"))
    grpc, https = (*PLAIT, "echo", "--grpc", "9090"), (*PLAIT, "echo", "--https", "9090", *tls)
    return {"httpGet": plain, "tcpSocket": plain, "grpc": grpc, "https": https, "unwell": unwell}


@contextlib.asynccontextmanager
async def answering(machine: Machine, program: tuple[str, ...]) -> AsyncIterator[None]:
    """An application on the machine, as root: it may read its key."""
    words = inside_pod(machine.holder, User(0, 0), program)
    process = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield
    finally:
        await kill(process)


@pytest.mark.parametrize("kind", PROBES)
async def test_a_machine_is_called_while_it_is_well(
    mesh: Mesh, kind: str, programs: dict[str, tuple[str, ...]]
) -> None:
    often = {"periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 1}
    await mesh.apply(documents(group(probe={**often, **PROBES[kind]})))

    async def well() -> bool:
        return await status(mesh) == 200

    async def unwell() -> bool:
        return await status(mesh) == 503

    async with machine_of(mesh) as machine:
        await machine.join()
        async with answering(machine, programs[kind]):
            await machine.run()
            await mesh.until(well, "it is well, and called", PATIENCE)
        await mesh.until(unwell, "nobody answers the probe", PATIENCE)
        if kind == "httpGet":
            async with answering(machine, programs["unwell"]):
                await mesh.until(unwell, "a probe that fails", PATIENCE)
        async with answering(machine, programs[kind]):
            await mesh.until(well, "it is well again", PATIENCE)


async def test_a_machine_joins_and_leaves(mesh: Mesh) -> None:
    await mesh.apply(documents(group()), "group.yaml")
    async with machine_of(mesh) as machine:
        assert await status(mesh) == 503, "nobody is there"
        said = await machine.join()
        assert "plait-sidecar.service" in said
        assert stat.S_IMODE((machine.folder / "token").stat().st_mode) == 0o600
        assert (
            json.loads((machine.folder / "envoy.json").read_text())["node"]["metadata"]["AUTO_REGISTER_GROUP"] == "vms"
        )
        await machine.run()

        async def reached() -> bool:
            return await status(mesh) == 200

        await mesh.until(reached, "the machine is called by the service's name")
        answer = await mesh.get("client", "http://vms/")
        assert answer.pod == "machine"
        assert f"URI={ID}client" in answer.seen["x-forwarded-client-cert"], "over mutual TLS"

        answer = await mesh.get("machine", "http://web/")
        assert (answer.status, answer.pod) == (200, "web")
        assert f"URI={ID}vm" in answer.seen["x-forwarded-client-cert"], "it is known by its account"

        other = mesh.local.statuses[mesh.pod("machine")].ips[1]
        assert (await mesh.get("client", f"http://[{other}]:8080/")).status == 0, "STRICT holds by IPv6"
        machines, either = {"matchLabels": {"app": "vms"}}, {"mode": "PERMISSIVE"}
        await mesh.apply(documents(security("PeerAuthentication", "vms", selector=machines, mtls=either)))
        assert (await mesh.get("client", f"http://[{other}]:8080/")).pod == "machine", "and so is it reached"
        assert (await mesh.get("machine", "http://web6/")).pod == "web"

        principal = {"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/client"]}}]}
        of_vm = {"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/vm"]}}]}
        await mesh.apply(
            documents(
                security("AuthorizationPolicy", "vms", selector={"matchLabels": {"app": "vms"}}, rules=[principal]),
                security("AuthorizationPolicy", "web", selector={"matchLabels": {"app": "web"}}, rules=[of_vm]),
            )
        )
        assert [await status(mesh, each) for each in ("client", "other")] == [200, 403]
        assert (await mesh.get("machine", "http://web/")).status == 200
        assert (await mesh.get("client", "http://web/")).status == 403

        machine.rules("on")  # again, which changes nothing
        assert await status(mesh) == 200

        await machine.kill()

        async def gone() -> bool:
            answer = await mesh.get("client", "http://vms/")
            return answer.status == 503 and "no healthy upstream" in answer.body

        await mesh.until(gone, "the machine's endpoint is gone", LIMIT * 2)
        await machine.join()
        await machine.run()
        await mesh.until(reached, "it is back")
