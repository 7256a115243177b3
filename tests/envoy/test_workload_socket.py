"""Sidecars that have their certificates from an SDS server on a socket beside them, as from SPIRE's agent."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from ca.authority import Authority
from ca.issuer import self_signed
from tests.envoy.manifests import documents, namespace, pod, security, service
from xds.api.envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from xds.local.settings import LocalSettings
from xds.server import Node, Peer, Resource, Server, SnapshotCache
from xds.testing.mesh import Mesh, running_mesh

MANIFESTS = documents(
    namespace("shop"),
    namespace("outside", inject=False),
    pod("client", account="shopper"),
    pod("web", account="web"),
    pod("stranger", namespace="outside"),
    service("web"),
    security("PeerAuthentication", "default", mtls={"mode": "STRICT"}),
)
pytestmark = pytest.mark.asyncio(loop_scope="module")


class WorkloadApi:
    """A SPIFFE workload API: certificates by the account that a node names, signed by a CA that is not the mesh's."""

    def __init__(self) -> None:
        self._authority = Authority(self_signed(datetime.now(UTC)), "cluster.local")
        self._cache = SnapshotCache()
        self.server = Server(self._cache, admit=self._admit)
        self.asked: set[str] = set()

    async def _admit(self, node: Node, peer: Peer) -> str:
        assert not peer.delta  # SPIRE's agent has no DeltaSecrets
        account = str(node.metadata["SERVICE_ACCOUNT"])
        self.asked.add(account)
        identity = f"spiffe://cluster.local/ns/{node.metadata['NAMESPACE']}/sa/{account}"
        issued = self._authority.issue(identity, timedelta(hours=1), datetime.now(UTC))
        own, roots = Secret(name="default"), Secret(name="ROOTCA")
        own.tls_certificate.certificate_chain.inline_bytes = issued.certificate_chain
        own.tls_certificate.private_key.inline_bytes = issued.private_key
        roots.validation_context.trusted_ca.inline_bytes = self._authority.roots.pem
        self._cache.set(node.id, [Resource.of(own), Resource.of(roots)])
        return node.id


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="workload"))  # pytest's own are too long for a socket's path
    found.chmod(0o755)
    yield found
    shutil.rmtree(found)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(folder: Path) -> AsyncIterator[tuple[WorkloadApi, Path]]:
    socket, found = folder / "socket", WorkloadApi()
    found.server.add_plaintext(f"unix:{socket}")
    await found.server.start()
    socket.chmod(0o777)
    yield found, socket
    await found.server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(api: tuple[WorkloadApi, Path], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    settings = LocalSettings(workload_socket=api[1])
    folder = tmp_path_factory.mktemp("mesh")
    async with running_mesh(MANIFESTS, folder, settings=settings) as running, running.one_test():
        yield running


async def test_identities_are_the_sockets(mesh: Mesh, api: tuple[WorkloadApi, Path]) -> None:
    answer = await mesh.get("client", "http://web/")
    assert answer.status == 200
    assert "URI=spiffe://cluster.local/ns/shop/sa/shopper" in answer.seen["x-forwarded-client-cert"]
    assert api[0].asked == {"shopper", "web"}
    assert (await mesh.get("stranger", "http://web.shop/")).status == 0


async def test_the_control_plane_sends_none_of_its_own(mesh: Mesh) -> None:
    for status in mesh.up.control_plane.convergence.syncz():
        assert "sds" not in status.types
        sent = mesh.up.control_plane.convergence.config_dump(status.id)
        assert sent is not None
        assert not [resource.name for resource in sent if resource.type == "sds"]


async def test_policies_hold_for_them(mesh: Mesh) -> None:
    await mesh.apply(documents(security("AuthorizationPolicy", "nobody")))
    assert (await mesh.get("client", "http://web/")).status == 403
