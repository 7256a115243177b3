"""ServiceEntries beyond lists of addresses: selected pods, names that Envoy resolves when called, sockets on disk."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ca.authority import Authority
from ca.issuer import self_signed
from tests.envoy.connections import tls
from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    mesh_config,
    namespace,
    pod,
    security,
    service,
    service_entry,
    subsets,
    to,
    virtual_service,
)
from tests.envoy.readable import readable
from xds.testing.mesh import Mesh

BARE = {"sidecar.istio.io/inject": "false"}
NOWHERE = "198.51.100.9"
HTTP = {"number": 80, "name": "http", "protocol": "HTTP"}
TLS = {"number": 443, "name": "tls", "protocol": "TLS"}
FAR = "out.far.svc.cluster.local"
DRAINS = r"listener_manager\.(listener_modified|listener_in_place_updated|listener_removed)$"


@pytest.fixture(scope="module")
def mesh_manifests(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(self_signed(datetime.now(UTC)), "example.com")
    served = authority.issue_server(["any.test"], timedelta(days=1), datetime.now(UTC))
    (folder / "cert.pem").write_bytes(served.certificate_chain)
    (folder / "key.pem").write_bytes(served.private_key)
    readable(folder)
    files = [str(folder / "cert.pem"), str(folder / "key.pem")]
    echo = ["plait", "echo", "--http", "8080", "--https", "8443", "--tls", *files]
    ports = ({"name": "http", "port": 80, "targetPort": 8080}, {"name": "https", "port": 443, "targetPort": 8443})
    hidden = service("out", *ports, namespace="far", selector={"app": "out"})
    hidden["metadata"]["annotations"] = {"networking.istio.io/exportTo": "~"}  # its name is known to DNS alone
    return documents(
        namespace("shop"),
        namespace("far", inject=False),
        namespace("istio-system", inject=False),
        pod("client"),
        pod("web-v1", labels={"tier": "front"}),
        pod("web-v2", labels={"tier": "front"}, annotations=BARE),
        pod("other-v3"),
        pod("out-v4", namespace="far", ports="http:8080 https:8443", command=echo),
        hidden,
    )


async def versions(mesh: Mesh, url: str, count: int = 20, **how: Any) -> set[str]:
    answers = await mesh.requests("client", url, count, **how)
    return {answer.echo["version"] if answer.status == 200 else str(answer.status) for answer in answers}


def selecting(**spec: Any) -> Manifest:
    wanted = {"hosts": ["front.test"], "ports": [{**HTTP, "targetPort": 8080}], "resolution": "STATIC"}
    return service_entry("front", **{**wanted, "workloadSelector": {"labels": {"tier": "front"}}, **spec})


async def test_pods_of_its_namespace_by_label(mesh: Mesh) -> None:
    await mesh.apply(documents(selecting()))
    assert await versions(mesh, "http://front.test/") == {"v1", "v2"}


async def test_their_labels_are_those_of_subsets(mesh: Mesh) -> None:
    rule = destination_rule("front.test", subsets=subsets("v2"))
    await mesh.apply(documents(selecting(), rule, virtual_service("front.test", {"route": [to("front.test", "v2")]})))
    assert await versions(mesh, "http://front.test/") == {"v2"}


async def test_those_with_a_sidecar_are_called_by_mutual_tls(mesh: Mesh) -> None:
    inside = selecting(location="MESH_INTERNAL")
    await mesh.apply(documents(inside, security("PeerAuthentication", "strict", mtls={"mode": "STRICT"})))
    assert await versions(mesh, "http://front.test/") == {"v1", "v2"}
    outside = selecting(location="MESH_EXTERNAL")
    await mesh.apply(documents(outside, security("PeerAuthentication", "strict", mtls={"mode": "STRICT"})))
    assert "v1" not in await versions(mesh, "http://front.test/", keep_alive=False)


async def test_pods_that_come_and_go(mesh: Mesh) -> None:
    await mesh.apply(documents(selecting(), pod("front-v9", labels={"tier": "front"})))

    async def there() -> bool:
        return "v9" in await versions(mesh, "http://front.test/")

    await mesh.until(there, "the new pod is called")
    await mesh.apply(documents(selecting()))
    assert await versions(mesh, "http://front.test/") == {"v1", "v2"}


# -- resolution DYNAMIC_DNS


def wild(**spec: Any) -> Manifest:
    wanted = {"hosts": ["*.far.svc.cluster.local"], "ports": [HTTP, TLS], "resolution": "DYNAMIC_DNS"}
    return service_entry("wild", **{**wanted, **spec})


async def test_http_hosts_are_resolved_when_they_are_called(mesh: Mesh) -> None:
    await mesh.apply(documents(wild(), mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})))
    assert await versions(mesh, f"http://{FAR}/", 4) == {"v4"}
    seen = await mesh.get("client", f"http://{NOWHERE}/", headers={"host": FAR})
    assert (seen.status, seen.echo["version"]) == (200, "v4"), "the host decides, not the address"
    assert (await mesh.get("client", f"http://{NOWHERE}/", headers={"host": "no.far.svc.cluster.local"})).status == 503
    assert (await mesh.get("client", f"http://{NOWHERE}/", headers={"host": "out.elsewhere.test"})).status == 502


async def test_tls_hosts_are_resolved_by_sni(mesh: Mesh) -> None:
    await mesh.apply(documents(wild(), mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})))
    assert await tls(mesh, "client", NOWHERE, 443, FAR) == ["v4"]
    assert await tls(mesh, "client", NOWHERE, 443, "no.far.svc.cluster.local") == [""]
    assert await tls(mesh, "client", NOWHERE, 443, "out.elsewhere.test") == [""]


async def test_a_host_that_is_resolved_adds_no_listener_where_its_port_is_known(mesh: Mesh) -> None:
    await mesh.apply(documents(selecting()))
    before = await mesh.stats("client", DRAINS)
    await mesh.apply(documents(selecting(), wild(ports=[HTTP])))
    assert await versions(mesh, f"http://{FAR}/", 2) == {"v4"}
    assert await mesh.stats("client", DRAINS) == before


async def test_all_that_nobody_knows_may_be_resolved(mesh: Mesh) -> None:
    dynamic = mesh_config(outboundTrafficPolicy={"mode": "ALLOW_ANY_DYNAMIC_DNS"})
    await mesh.apply(documents(selecting(), dynamic))
    seen = await mesh.get("client", f"http://{NOWHERE}/", headers={"host": FAR})
    assert (seen.status, seen.echo["version"]) == (200, "v4")


async def test_a_name_that_means_the_proxy_itself_is_not_called(mesh: Mesh) -> None:
    await mesh.apply(documents(mesh_config(outboundTrafficPolicy={"mode": "ALLOW_ANY_DYNAMIC_DNS"}), selecting()))
    for host in ("localhost:15000", "127.0.0.1:15000"):
        assert (await mesh.get("client", f"http://{NOWHERE}/", headers={"host": host})).status == 503, host


async def test_tls_is_originated_to_it(mesh: Mesh) -> None:
    policy = {"tls": {"mode": "SIMPLE", "insecureSkipVerify": True}}
    rule = destination_rule("*.far.svc.cluster.local", name="tls", trafficPolicy=policy)
    await mesh.apply(documents(wild(ports=[HTTP]), rule))
    seen = await mesh.get("client", f"http://{FAR}/")
    assert (seen.status, seen.echo["scheme"]) == (200, "https")


# -- sockets in the file system


@contextlib.asynccontextmanager
async def on_disk(path: Path) -> AsyncIterator[None]:
    """An HTTP server on a socket that everybody may use."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"version": "socket"}'
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    async with await asyncio.start_unix_server(answer, path):
        await asyncio.to_thread(path.chmod, 0o777)
        yield


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter; what is above pytest's own is closed by every run of it on the machine."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


async def test_a_socket_in_the_file_system(mesh: Mesh, open_folder: Path) -> None:
    path = open_folder / "s"
    async with on_disk(path):
        entry = service_entry(
            "disk", hosts=["disk.test"], ports=[HTTP], resolution="STATIC", endpoints=[{"address": f"unix://{path}"}]
        )
        await mesh.apply(documents(entry))
        answer = await mesh.get("client", "http://disk.test/")
        assert (answer.status, answer.echo["version"]) == (200, "socket")
