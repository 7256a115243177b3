"""Real Envoys and a control plane that know each other by certificates in watched files."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.envoy.conftest import Launch
from tests.envoy.loopback import LoopbackEnvoy, until
from tests.envoy.messages import cluster
from xds.bootstrap.credentials import Tls
from xds.bootstrap.envoy import ControlPlane, OwnPorts, bootstrap
from xds.bootstrap.node import ProxyNode
from xds.callers.authenticate import Authenticator, Certificates
from xds.server import Admission, Node, Peer, Server, SnapshotCache

pytestmark = pytest.mark.envoy

NAME = "plait.test"


class Authority:
    """A certificate authority of the test."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        self._builder = (
            x509.CertificateBuilder()
            .issuer_name(name)
            .not_valid_before(datetime.now(UTC) - timedelta(minutes=1))
            .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        )
        own = self._builder.subject_name(name).public_key(self._key.public_key())
        own = own.serial_number(1).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.pem = own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(self, name: x509.GeneralName) -> tuple[bytes, bytes]:
        """A certificate for the name, and its key; PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._builder.subject_name(x509.Name([])).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number())
        made = made.add_extension(x509.SubjectAlternativeName([name]), critical=True)
        private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return (
            made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
            key.private_bytes(serialization.Encoding.PEM, *private),
        )


@dataclass
class Gate:
    """Admits who shows a certificate, each stream for a second; remembers whom."""

    authenticator: Authenticator
    callers: list[str] = field(default_factory=list)

    async def admit(self, _: Node, peer: Peer) -> Admission:
        caller = await self.authenticator.authenticate(peer)
        assert caller.expires_at is not None
        self.callers.append(caller.service_account)
        return Admission("test", 1.0)


@asynccontextmanager
async def serving(authority: Authority) -> AsyncIterator[tuple[Gate, int]]:
    """A control plane that asks for certificates of the authority, and its port."""
    gate, cache = Gate(Authenticator([Certificates(["cluster.local"])])), SnapshotCache()
    cache.set("test", [cluster("c1")])
    server = Server(cache, admit=gate.admit)
    certificate, key = authority.issue(x509.DNSName(NAME))
    credentials = grpc.ssl_server_credentials([(key, certificate)], authority.pem, require_client_auth=True)
    port = server.add_tls("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield gate, port
    finally:
        await server.stop()


def put(authority: Authority, folder: Path, account: str) -> None:
    """Write CA, certificate and key, and swap them in with one rename, as Kubernetes does with mounted secrets."""
    certificate, key = authority.issue(x509.UniformResourceIdentifier(f"spiffe://cluster.local/ns/shop/sa/{account}"))
    version = folder / f"..{account}"
    version.mkdir(parents=True)
    for name, content in (("ca.pem", authority.pem), ("cert.pem", certificate), ("key.pem", key)):
        (version / name).write_bytes(content)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    draft = folder / "..new"
    draft.symlink_to(version.name)
    draft.replace(folder / "..data")


async def started(folder: Path, launch_envoy: Launch, port: int, *, server_name: str = NAME) -> LoopbackEnvoy:
    files = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
    tls = Tls(server_name, *files, sds_folder=folder.parent / "sds")
    for path, text in tls.sds_files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    node = ProxyNode("sidecar", "shop", "web-0", ("127.0.0.1",))
    ports = OwnPorts(admin=0, health=0, metrics=0)
    return await launch_envoy(bootstrap(node, ControlPlane(f"127.0.0.1:{port}", tls), ports))


async def test_a_new_certificate_is_shown_at_the_next_connect(tmp_path: Path, launch_envoy: Launch) -> None:
    authority, folder = Authority(), tmp_path / "certificates"
    put(authority, folder, "first")
    async with serving(authority) as (gate, port):
        envoy = await started(folder, launch_envoy, port)
        await envoy.live()
        assert set(gate.callers) == {"first"}
        put(authority, folder, "second")
        shutil.rmtree(folder / "..first")

        async def shown() -> bool:
            await envoy.ask("/ready")
            return gate.callers[-1] == "second"

        await until(shown, "the new certificate")


async def test_the_control_plane_must_have_its_name(tmp_path: Path, launch_envoy: Launch) -> None:
    authority, folder = Authority(), tmp_path / "certificates"
    put(authority, folder, "first")
    async with serving(authority) as (gate, port):
        envoy = await started(folder, launch_envoy, port, server_name="other.test")

        async def refused() -> bool:
            return (await envoy.stats("cluster.xds-grpc.ssl.fail_verify_san")).popitem()[1] > 0

        await until(refused, "a refusal")
        assert not gate.callers
