"""Certificates and roots change under load, and no request notices."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from ca.directory_store import DirectoryStore
from ca.issuer import self_signed
from ca.rotation import start
from ca.state import CaState, Phase
from tests.envoy.manifests import documents, namespace, pod, security, service
from xds.local.settings import LocalSettings
from xds.testing.mesh import Mesh, running_mesh

WEB = "http://web/"
MANIFESTS = documents(
    namespace("shop"),
    pod("client", account="shopper"),
    pod("other", account="shopper"),
    pod("web", account="web"),
    service("web"),
    security("PeerAuthentication", "default", mtls={"mode": "STRICT"}),
)
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]
PATIENCE = timedelta(seconds=100)


@pytest.fixture(scope="module")
def ca_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ca")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def short_lived(ca_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """A mesh whose certificates last a minute, with a CA on disk."""
    folder = tmp_path_factory.mktemp("short")
    settings = LocalSettings(ca_dir=ca_dir, certificate_lifetime=timedelta(minutes=1))
    async with running_mesh(MANIFESTS, folder, settings=settings) as mesh, mesh.one_test():
        yield mesh


async def updates(mesh: Mesh, name: str) -> dict[str, int]:
    """How often each sidecar has taken a secret."""
    pods = ("client", "other", "web")
    return {p: sum((await mesh.stats(p, rf"sds\.{name}\.update_success")).values()) for p in pods}


def state(ca_dir: Path) -> CaState:
    found = DirectoryStore(ca_dir).load()
    assert found is not None
    return found


async def test_two_renewals_of_one_minute_certificates_fail_no_request(short_lived: Mesh) -> None:
    mesh = short_lived
    before = await updates(mesh, "default")

    async def renewed_twice() -> bool:
        return all(count >= before[p] + 2 for p, count in (await updates(mesh, "default")).items())

    async with (
        mesh.load("client", WEB, 100, concurrency=4) as kept,
        mesh.load("other", WEB, 20, concurrency=2, keep_alive=False) as fresh,
    ):
        await mesh.until(renewed_twice, "every certificate is renewed twice", PATIENCE)
    assert kept.failed == []
    assert fresh.failed == []
    assert kept.connections == 4
    listeners = await mesh.stats("web", r"listener_manager\.listener_(modified|in_place_updated|removed)")
    assert not any(listeners.values())


async def test_the_root_is_replaced_and_no_request_fails(short_lived: Mesh, ca_dir: Path) -> None:
    mesh = short_lived
    old = state(ca_dir).active.root_fingerprint
    async with (
        mesh.load("client", WEB, 100, concurrency=4) as kept,
        mesh.load("other", WEB, 20, concurrency=2, keep_alive=False) as fresh,
    ):
        now = datetime.now(UTC)
        DirectoryStore(ca_dir).save(start(state(ca_dir), self_signed(now), now))

        async def replaced() -> bool:
            found = state(ca_dir)
            return found.phase is Phase.STABLE and found.active.root_fingerprint != old

        await mesh.until(replaced, "the new root is the only one", PATIENCE)
        await mesh.settled()
    assert kept.failed == []
    assert fresh.failed == []
    assert old not in state(ca_dir).roots.fingerprints
    for name in ("client", "other", "web"):
        _, certificates = await mesh.local.admin_get(mesh.pod(name), "/certs")
        told = json.loads(certificates)["certificates"]
        serials = {int(each["serial_number"], 16) for entry in told for each in entry["ca_cert"]}
        assert serials == {state(ca_dir).active.root.serial_number}


async def test_no_key_is_left_anywhere(short_lived: Mesh) -> None:
    """Not in what Envoy or the control plane tell, nor in a file that others can read."""
    mesh = short_lived
    for name in ("client", "web"):
        _, dump = await mesh.local.admin_get(mesh.pod(name), "/config_dump?include_eds")
        assert b"PRIVATE KEY" not in dump
        assert b"cmVkYWN0ZWQ" in dump or b"redacted" in dump
