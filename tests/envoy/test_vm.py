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
from pathlib import Path

import pytest

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


def group() -> Manifest:
    template = {"serviceAccount": "vm", "ports": {"http": 8080}, "labels": {"app": "vms"}}
    metadata = {"name": "vms", "namespace": "shop"}
    kind = {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadGroup", "metadata": metadata}
    return {**kind, "spec": {"metadata": {"labels": {"tier": "old"}}, "template": template}}


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
        group(),
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


async def test_a_machine_joins_and_leaves(mesh: Mesh) -> None:
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

        await mesh.until(gone, "the machine's endpoint is gone", LIMIT / 2)
        await machine.join()
        await machine.run()
        await mesh.until(reached, "it is back")
