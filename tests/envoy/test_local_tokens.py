"""Pods of the local mesh prove themselves with tokens that only their sidecars can read."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.envoy.loopback import until
from xds.callers.authenticate import Authenticator
from xds.callers.authorize import authorize
from xds.callers.join_tokens import JoinTokens
from xds.callers.tokens import Tokens
from xds.local import pod_tokens, sidecar, state
from xds.local.mesh import LocalMesh, unavailable
from xds.local.pod_tokens import PodTokens
from xds.local.pods import Container, ContainerPort, PodKey, PodSpec
from xds.local.settings import LocalSettings
from xds.model.endpoint import NOWHERE
from xds.model.interception import PROXY_ID
from xds.model.proxy import Proxy
from xds.server import Admission, Node, Peer, Server, SnapshotCache

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.skipif(sidecar.installed_envoy() is None, reason="no Envoy is installed"),
]

LIMIT = timedelta(seconds=60)
WEB = PodKey("shop", "web-0")
SPEC = PodSpec(
    "shop",
    "web-0",
    (Container("app", image="plait/echo", ports=(ContainerPort(18080, "http"),)),),
    service_account="web",
    inject=True,
)


@dataclass
class Gate:
    """Admits pods for half a second each; remembers the tokens."""

    ways: Authenticator
    presented: list[str] = field(default_factory=list)

    async def admit(self, node: Node, peer: Peer) -> Admission:
        proxy = Proxy.of(node.id, node.metadata, locality=NOWHERE, vhds=True, version=node.version)
        authorize(await self.ways.authenticate(peer), proxy)
        self.presented.append(peer.metadata["authorization"])
        return Admission("test", 0.5)


@asynccontextmanager
async def meshed(settings: LocalSettings) -> AsyncIterator[tuple[LocalMesh, Gate]]:
    """A mesh whose pods' tokens live for two seconds, and its gate."""
    issuer, cache = JoinTokens(), SnapshotCache()

    def issue(spec: PodSpec, lifetime: timedelta) -> str:
        return issuer.issue(spec.namespace, spec.service_account, spec.name, now=datetime.now(UTC), lifetime=lifetime)

    gate = Gate(Authenticator([Tokens("cluster.local", issuer.keys)]))
    cache.set("test", [])
    server = Server(cache, admit=gate.admit)
    bootstraps, tokens = sidecar.bootstraps(settings, "xds", tokens=True), PodTokens(issue, timedelta(seconds=2))
    async with LocalMesh(settings, bootstraps, print, tokens=tokens) as mesh:
        server.add_plaintext(f"unix:{mesh.socket_path('xds')}")
        await server.start()
        mesh.open_to_proxies("xds")
        try:
            yield mesh, gate
        finally:
            await server.stop()


async def renewed(gate: Gate) -> None:
    """Return when a third token is presented: the first has expired by then."""

    async def third() -> bool:
        return len(set(gate.presented)) >= 3

    await until(third, "a third token")


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) is not installed")
async def test_on_loopback(tmp_path: Path) -> None:
    settings = LocalSettings(name=f"tokens-{os.getpid()}", folder=tmp_path, loopback=True)
    async with meshed(settings) as (mesh, gate):
        await mesh.apply([SPEC])
        await mesh.until_ready(LIMIT)
        await renewed(gate)
        where = pod_tokens.watched(state.files_folder(settings.name), WEB).file
        assert (stat.S_IMODE(where.stat().st_mode), stat.S_IMODE(where.parent.stat().st_mode)) == (0o400, 0o700)
        await mesh.apply([])
        assert not where.parent.exists()


@pytest.mark.skipif(unavailable() != "", reason=f"no network namespaces here: {unavailable()}")
async def test_in_namespaces() -> None:
    settings = LocalSettings(name=f"tokens-{os.getpid()}")
    async with meshed(settings) as (mesh, gate):
        await mesh.apply([SPEC])
        await mesh.until_ready(LIMIT)
        await renewed(gate)
        where = mesh.socket_path("pods") / "shop.web-0" / "token" / "token"
        found = where.stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (PROXY_ID, 0o400)
        for name in ("token", ".", "sds.json"):
            asked = await mesh.exec(WEB, ["cat", f"/run/plait/pods/shop.web-0/token/{name}"])
            assert asked.returncode != 0, "an application must not have it"
            assert "ermission denied" in asked.stderr
        await mesh.apply([])
        assert not where.parent.exists()
