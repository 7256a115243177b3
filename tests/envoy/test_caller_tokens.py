"""Real Envoys that prove themselves with a token in a file, on a unix socket and over mutual TLS."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.envoy.conftest import Launch
from tests.envoy.loopback import LoopbackEnvoy, until
from tests.envoy.messages import cluster
from xds.bootstrap.credentials import WatchedToken
from xds.bootstrap.envoy import ControlPlane, OwnPorts, bootstrap
from xds.bootstrap.node import ProxyNode
from xds.callers.authenticate import Authenticator
from xds.callers.authorize import authorize
from xds.callers.join_tokens import JoinTokens
from xds.callers.tokens import Tokens
from xds.local import secrets
from xds.model.endpoint import NOWHERE
from xds.model.proxy import Proxy
from xds.server import Admission, Denied, Node, Peer, Server, SnapshotCache

pytestmark = pytest.mark.envoy

ISSUER = JoinTokens()
PORTS = OwnPorts(admin=0, health=0, metrics=0)


@dataclass
class Gate:
    """Admits who proves itself, each stream for so many seconds; remembers tokens and refusals."""

    authenticator: Authenticator
    valid_s: float | None = None
    presented: list[str] = field(default_factory=list)
    refused: list[Denied] = field(default_factory=list)

    async def admit(self, node: Node, peer: Peer) -> Admission:
        self.presented.append(peer.metadata.get("authorization", ""))
        proxy = Proxy.of(node.id, node.metadata, locality=NOWHERE, vhds=True, version=node.version)
        try:
            authorize(await self.authenticator.authenticate(peer), proxy)
        except Denied as denied:
            self.refused.append(denied)
            raise
        return Admission("test", self.valid_s)


@asynccontextmanager
async def serving(folder: Path, valid_s: float | None = None) -> AsyncIterator[Gate]:
    """A control plane on the unix socket ``folder/xds`` with one cluster, ``c1``."""
    gate = Gate(Authenticator([Tokens("cluster.local", ISSUER.keys)]), valid_s)
    cache = SnapshotCache()
    cache.set("test", [cluster("c1")])
    server = Server(cache, admit=gate.admit)
    server.add_plaintext(f"unix:{folder / 'xds'}")
    await server.start()
    try:
        yield gate
    finally:
        await server.stop()


def put(watched: WatchedToken, token: str) -> None:
    """Put a token into place as the local mesh does."""
    secrets.write(watched.file, token, os.geteuid())
    secrets.write(watched.sds_file, watched.sds, os.geteuid())


async def started(folder: Path, launch_envoy: Launch, *, token: str) -> tuple[LoopbackEnvoy, WatchedToken]:
    """An Envoy of pod web-0 in shop that presents the token, none where it is empty; and where that is."""
    watched = WatchedToken(folder / "token" / "token", folder / "token" / "sds.json")
    if token:
        put(watched, token)
    plane = ControlPlane(f"unix:{folder / 'xds'}", token=watched if token else None)
    node = ProxyNode("sidecar", "shop", "web-0", ("127.0.0.1",), service_account="web")
    return await launch_envoy(bootstrap(node, plane, PORTS)), watched


def issue(namespace: str = "shop", account: str = "web", pod: str = "web-0", *, now: datetime | None = None) -> str:
    return ISSUER.issue(namespace, account, pod, now=now or datetime.now(UTC))


async def configured(envoy: LoopbackEnvoy) -> bool:
    return "c1::" in await envoy.ask("/clusters")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""

    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


async def test_who_proves_itself_is_configured(folder: Path, launch_envoy: Launch) -> None:
    async with serving(folder) as gate:
        token = issue()
        envoy, _ = await started(folder, launch_envoy, token=token)
        await envoy.live()
        await until(lambda: configured(envoy), "a cluster")
        assert gate.presented == [f"Bearer {token}"]
        assert not gate.refused
        for secret in (token, token.split(".")[2]):
            assert secret not in await envoy.ask("/config_dump?include_eds")
            assert secret not in envoy.output()


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("", "nothing proves who this is"),
        (issue("bank", "vault", "vault-0"), "its namespace is 'shop', and proves that it is 'bank'"),
        (issue(pod="web-1"), "its name is 'web-0', and proves that it is 'web-1'"),
        (issue(now=datetime.now(UTC) - timedelta(hours=2)), "has expired"),
        (JoinTokens().issue("shop", "web", "web-0", now=datetime.now(UTC)), "does not have"),
    ],
    ids=["none", "another namespace's", "another pod's", "expired", "another mesh's"],
)
async def test_who_does_not_gets_nothing(folder: Path, launch_envoy: Launch, token: str, why: str) -> None:
    async with serving(folder) as gate:
        envoy, _ = await started(folder, launch_envoy, token=token)

        async def refused() -> bool:
            return len(gate.refused) >= 2

        await until(refused, "two refusals")
        assert all(why in str(denied) for denied in gate.refused)
        assert not await configured(envoy)
        assert (await envoy.ask("/ready")).strip() != "LIVE"

        async def said() -> bool:
            return why in envoy.output()

        await until(said, "Envoy's log says why")
        assert not token or token not in envoy.output()


async def test_a_new_token_is_presented_at_the_next_connect(folder: Path, launch_envoy: Launch) -> None:
    async with serving(folder, valid_s=1.0) as gate:
        tokens = [issue(), issue(), issue()]
        envoy, watched = await started(folder, launch_envoy, token=tokens[0])
        await envoy.live()
        for token in tokens[1:]:
            put(watched, token)

            async def presented(wanted: str = f"Bearer {token}") -> bool:
                return gate.presented[-1] == wanted

            await until(presented, "the new token")
        assert not gate.refused
        assert await configured(envoy)
        assert (await envoy.ask("/ready")).strip() == "LIVE"
