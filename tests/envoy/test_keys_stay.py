"""Private keys and tokens are where they must be and nowhere else: not in files of others, logs, dumps or pages."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.envoy.manifests import documents, namespace, pod, security, service
from xds.local.settings import LocalSettings
from xds.local.state import state_folder
from xds.testing.mesh import Mesh, running_mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns, pytest.mark.asyncio(loop_scope="module")]

MARK: Final = b"PRIVATE KEY"
MANIFESTS = documents(
    namespace("shop"),
    pod("client", account="shopper"),
    pod("web-v1", account="web"),
    service("web"),
    security("PeerAuthentication", "default", mtls={"mode": "STRICT"}),
)
PODS = ("client", "web-v1")


@pytest.fixture(scope="module")
def ca_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("authority") / "ca"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def logged_mesh(ca_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Mesh, list[str]]]:
    """A mesh in which a request was made, and all that its control plane has logged."""
    with capture_logs() as entries:
        async with running_mesh(
            MANIFESTS, tmp_path_factory.mktemp("mesh"), settings=LocalSettings(ca_dir=ca_dir)
        ) as mesh:
            assert (await mesh.get("client", "http://web/")).status == 200
            yield mesh, [str(entry) for entry in entries]


def token_files(mesh: Mesh) -> list[Path]:
    return sorted(mesh.local.socket_path("pods").glob("*/token/token"))


def secrets(mesh: Mesh, ca_dir: Path) -> list[bytes]:
    """What nobody else may see: the body of the CA's key, and the signatures of the pods' tokens."""
    body = b"".join((ca_dir / "current" / "ca-key.pem").read_bytes().splitlines()[1:-1])
    tokens = [file.read_bytes().strip() for file in token_files(mesh)]
    assert len(tokens) == len(PODS)
    return [body, *tokens, *(token.rpartition(b".")[2] for token in tokens)]


def files_below(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


async def test_files(logged_mesh: tuple[Mesh, list[str]], ca_dir: Path) -> None:
    mesh, _ = logged_mesh
    hidden = [MARK, *secrets(mesh, ca_dir)]
    state = mesh.local.socket_path("pods").parent
    looked_at = set(files_below(state, mesh.folder, ca_dir)) | set(state_folder().glob(f"test-{os.getpid()}-*"))
    looked_at -= {state / "envoy"}  # BoringSSL knows PEM
    found = {path for path in looked_at if path.is_file() and any(each in path.read_bytes() for each in hidden)}
    keys = {path for path in files_below(ca_dir) if path.name == "ca-key.pem"}
    assert len(keys) == 1
    assert found == {*keys, *token_files(mesh)}
    for path in found:
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), path
    for folder in (ca_dir, ca_dir / "current"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_what_envoy_tells(logged_mesh: tuple[Mesh, list[str]], ca_dir: Path) -> None:
    mesh, _ = logged_mesh
    for name in PODS:
        for page in ("/config_dump?include_eds", "/certs", "/clusters", "/server_info", "/stats"):
            _, told = await mesh.local.admin_get(mesh.pod(name), page)
            assert told
            assert not [each for each in (MARK, *secrets(mesh, ca_dir)) if each in told], (name, page)


async def test_what_the_control_plane_tells(logged_mesh: tuple[Mesh, list[str]], ca_dir: Path) -> None:
    mesh, _ = logged_mesh
    transport = httpx.AsyncHTTPTransport(uds=str(mesh.local.socket_path("http")))
    async with httpx.AsyncClient(transport=transport, base_url="http://plait") as client:
        pages = (await client.get("/debug")).json()
        assert "/debug/ca" in pages
        answers = {page: await client.get(page) for page in pages if not page.endswith("=")}
        for name in PODS:
            page = f"/debug/config_dump?proxy={name}.shop"
            answers[page] = await client.get(page)
            assert "[redacted]" in answers[page].text
    for page, answer in answers.items():
        assert answer.status_code == 200, page
        assert not [each for each in (MARK, *secrets(mesh, ca_dir)) if each in answer.content], page


async def test_what_is_logged(logged_mesh: tuple[Mesh, list[str]], ca_dir: Path) -> None:
    mesh, log = logged_mesh
    assert any("certificate issued" in entry for entry in log)
    for each in (MARK, *secrets(mesh, ca_dir)):
        assert not [entry for entry in log if each.decode() in entry]
