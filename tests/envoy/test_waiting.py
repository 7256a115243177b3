"""``plait wait``, ``history`` and ``rollback`` beside a running mesh, whose manifests are edited."""

from __future__ import annotations

import asyncio
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.envoy.manifests import documents, namespace, pod, service
from xds.audit.record import Wanted
from xds.local.mesh import unavailable
from xds.testing.mesh import Mesh

pytestmark = pytest.mark.skipif(unavailable() != "", reason=f"no local mesh here: {unavailable()}")

PLAIT = (sys.executable, "-c", "from xds.cli import main; main()")
NAME = "VirtualService shop/web"
ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec: {hosts: [web], http: [{timeout: %s, route: [{destination: {host: web}}]}]}
"""


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(namespace("shop"), service("web"), pod("web-v1"), pod("client"))


async def plait(mesh: Mesh, *arguments: str) -> tuple[int | None, str, str]:
    pipe = asyncio.subprocess.PIPE
    command = (*PLAIT, *arguments, "--mesh", mesh.name)
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def generations(mesh: Mesh) -> list[dict[str, Any]]:
    status, out, err = await plait(mesh, "history", "--all", "-o", "json")
    assert status == 0, err
    found: list[dict[str, Any]] = json.loads(out)
    return found


async def test_waiting_for_an_edit_and_taking_it_back(mesh: Mesh) -> None:
    (mesh.folder / "extra.yaml").write_text(ROUTE % "1s")
    status, out, err = await plait(mesh, "wait", "vs/web.shop", "-o", "json", "--timeout", "40s")
    assert status == 0, err
    first = json.loads(out)
    assert (first["live"], first["total"]) == (2, 2)
    await mesh.apply(ROUTE % "2s")
    newer = str(first["generation"] + 1)
    status, out, err = await plait(mesh, "wait", "vs", "web", "-n", "shop", "--generation", newer, "--timeout", "40s")
    assert status == 0, err
    assert f"{NAME} (generation {newer}) is live on 2 of 2 proxies" in out
    told = [each for each in await generations(mesh) if [one["object"] for one in each["objects"]] == [NAME]]
    assert [each["objects"][0]["what"] for each in told] == ["created", "changed"]
    assert told[-1]["objects"][0]["fields"] == ["spec.http[0].timeout changed"]
    assert (told[-1]["proxies"], told[-1]["waiting"], told[-1]["drains"]) == (2, 0, [])
    assert told[-1]["converged_s"] > 0
    status, out, err = await plait(mesh, "rollback", str(told[-1]["generation"]))
    assert status == 0, err
    assert yaml.safe_load(out) == yaml.safe_load(ROUTE % "1s")


DENY = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin, namespace: shop}
spec: {action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}
"""


async def test_a_request_that_was_refused(mesh: Mesh) -> None:
    await mesh.apply(DENY)
    audit = mesh.up.control_plane.audit.record
    before = audit.number
    assert (await mesh.get("client", "http://web/admin")).status == 403

    async def told() -> bool:
        return audit.number > before

    await mesh.until(told, "the refusal is told")
    [refusal] = audit.latest(Wanted(after=before))
    assert refusal.refusal.request_id
    status, out, err = await plait(mesh, "explain", "--request-id", refusal.refusal.request_id)
    assert status == 1, err
    assert "REFUSED: GET web/admin was answered with 403" in out
    assert "AuthorizationPolicy shop/no-admin rule 0" in out
    now = out.partition("As it is configured now:")[2]
    assert now.lstrip().startswith("DENIED"), out + err


async def test_a_report_of_it_all(mesh: Mesh, tmp_path: Path) -> None:
    file = tmp_path / "report.tar.gz"
    status, out, err = await plait(mesh, "bug-report", "-o", str(file))
    assert (status, "report.tar.gz" in out) == (0, True), err
    with tarfile.open(file) as archive:
        files = {entry.name.partition("/")[2]: archive.extractfile(entry) for entry in archive.getmembers()}
        contents = {name: content.read() for name, content in files.items() if content is not None}
    assert {"proxies/shop/web-v1/sent.json", "proxies/shop/web-v1/envoy/config_dump.json"} <= contents.keys()
    assert json.loads(contents["control-plane-0/history.json"])["generations"]
    everything = b"".join(contents.values())
    assert b"PRIVATE KEY" not in everything
    for secret in json.loads(contents["proxies/shop/web-v1/sent.json"])["resources"]:
        assert secret["resource"].get("tls_certificate", {}).get("private_key", "[redacted]") == "[redacted]"


async def test_what_cannot_become_live(mesh: Mesh) -> None:
    await mesh.apply(ROUTE % "1s")
    await mesh.apply((ROUTE % "1s").replace("spec: {", "spec: {gateways: [nowhere],"))
    status, out, err = await plait(mesh, "wait", "vs/web.shop", "--timeout", "40s")
    assert status == 0, err
    assert "no connected proxy needs anything of it; spec.gateways[0]: there is no Gateway shop/nowhere" in out
    await mesh.apply(ROUTE.partition("spec:")[0] + "spec: {hosts: [web]}\n")
    status, out, err = await plait(mesh, "wait", "vs/web.shop", "--timeout", "40s")
    assert status == 1, out
    assert "virtual-service.empty" in err
    status, _, err = await plait(mesh, "wait", "vs/nothing.shop", "--timeout", "0s")
    assert (status, "is in no source" in err) == (1, True)


async def test_until_it_is_gone(mesh: Mesh) -> None:
    await mesh.apply(ROUTE % "1s")
    await mesh.delete()
    status, out, err = await plait(mesh, "wait", "vs/web.shop", "--for", "gone", "--timeout", "40s")
    assert (status, "is gone, and no proxy has it" in out) == (0, True), err
