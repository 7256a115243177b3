"""Who has called, as real sidecars count it: the ratchet of mutual TLS, and policies from what was seen."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from tests.envoy.manifests import documents, namespace, pod, security, service
from xds.local import state
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]


PLAIT: Final = Path(sys.executable).with_name("plait")


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        namespace("quiet"),
        namespace("plain", inject=False),
        pod("client", account="client"),
        pod("web-v1", account="web", ports="http:8080 tcp:9000"),
        service("web", {"name": "http", "port": 80, "targetPort": 8080}, {"name": "tcp", "port": 9000}),
        pod("quiet", namespace="quiet"),
        service("quiet", namespace="quiet"),
        pod("outsider", namespace="plain"),
    )


class Told(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


async def plait(*arguments: str) -> Told:
    """The command in a process of its own: what this one logs meanwhile must not get into its output."""
    [ours] = [each for each in state.running(state.state_folder()) if each.pid == os.getpid()]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(PLAIT, *arguments, "--mesh", ours.name, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode is not None
    return Told(process.returncode, out.decode(), err.decode())


def read(path: str) -> Any:
    return yaml.safe_load(Path(path).read_bytes())


async def test_who_talks_plaintext_stands_in_the_way_of_strict(mesh: Mesh) -> None:
    await mesh.requests("client", "http://web.shop/", 2)
    assert (await mesh.get("outsider", f"http://{mesh.ip('web-v1')}:8080/")).status == 200
    await mesh.tcp("outsider", mesh.ip("web-v1"), 9000, ["hello"])
    told = (await plait("mtls", "status", "-n", "shop")).stdout.splitlines()
    [web] = [line for line in told if "web-v1" in line]
    assert web.split()[:5] == ["shop", "web-v1", "1", "PERMISSIVE", "-"]
    assert web.count("plain/outsider (no sidecar) 1") == 2
    [client] = [line for line in told if line.startswith("shop") and "web-v1" not in line]
    assert client.split()[:6] == ["shop", "client", "1", "PERMISSIVE", "-", "0"]
    strict = await plait("mtls", "strict", "shop", "--for", "100ms")
    assert strict.exit_code == 1
    assert "plaintext (in the way): plain/outsider (no sidecar) to shop/web-v1 port 8080: 0 times" in strict.stderr
    assert "kind: PeerAuthentication" not in strict.stdout


async def test_nobody_stands_in_the_way(mesh: Mesh, tmp_path: Path) -> None:
    assert (await mesh.get("client", "http://quiet.quiet/")).status == 200
    strict = await plait("mtls", "strict", "quiet", "--for", "100ms")
    assert strict.exit_code == 0, strict.output
    manifest = yaml.safe_load(strict.stdout)
    assert (manifest["kind"], manifest["metadata"]["namespace"]) == ("PeerAuthentication", "quiet")
    written = await plait("mtls", "strict", "quiet", "--for", "100ms", "--write", str(tmp_path))
    assert await asyncio.to_thread(read, written.stdout.strip()) == manifest
    await mesh.apply(strict.stdout, "strict.yaml")
    assert (await mesh.get("client", "http://quiet.quiet/")).status == 200
    assert (await mesh.get("outsider", f"http://{mesh.ip('quiet/quiet')}:8080/")).status == 0


async def test_policies_from_what_was_seen_let_it_through_and_nothing_else(mesh: Mesh) -> None:
    await mesh.apply(
        documents(
            security("AuthorizationPolicy", "no", action="DENY", rules=[{"to": [{"operation": {"methods": ["PUT"]}}]}])
        ),
        "deny.yaml",
    )
    assert (await mesh.get("client", "http://web/")).status == 200
    assert (await mesh.get("client", "http://web/", method="POST", data="x")).status == 200
    assert (await mesh.get("client", "http://web/", method="PUT", data="x")).status == 403
    await mesh.delete("deny.yaml")
    await mesh.tcp("client", "web", 9000, ["hello"])

    async def counted() -> bool:
        return "9000" in (await plait("authz", "suggest", "shop")).stdout

    await mesh.until(counted, "the TCP connection counts")
    suggested = await plait("authz", "suggest", "shop")
    assert suggested.exit_code == 0, suggested.output
    [policy] = [each for each in yaml.safe_load_all(suggested.stdout) if each]
    assert policy["spec"]["rules"] == [
        {
            "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/client"]}}],
            "to": [
                {"operation": {"ports": ["8080"], "methods": ["GET", "POST"]}},
                {"operation": {"ports": ["9000"]}},
            ],
        }
    ]
    await mesh.apply(suggested.stdout, "suggested.yaml")
    assert (await mesh.get("client", "http://web/")).status == 200
    assert [reply.error for reply in await mesh.tcp("client", "web", 9000, ["hello"])] == [""]
    assert (await mesh.get("client", "http://web/", method="DELETE")).status == 403
    assert (await mesh.get("quiet/quiet", "http://web.shop/")).status == 403
