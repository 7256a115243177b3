"""``plait create-remote-secret``: with what it prints, another cluster's control plane reads this one, and no more."""

from __future__ import annotations

import asyncio

import yaml
from kubernetes import client as api
from typer.testing import CliRunner

from tests.kube.api_server import ApiServer
from tests.kube.remotes import ROOT, endpoint_slice, namespace, service
from tests.kube.test_remote_clusters import apply, reading
from tests.kube.waiting import until
from xds.cli.plait import app
from xds.sources.remote_access import access


def printed(server: ApiServer, *options: str) -> dict[str, object]:
    told = ["create-remote-secret", "--kubeconfig", str(server.kubeconfig), *options]
    result = CliRunner().invoke(app(), told)
    assert result.exit_code == 0, (result.output, result.exception)
    found: dict[str, object] = yaml.safe_load(result.stdout)
    return found


async def test_its_secret_lets_another_control_plane_read_what_it_needs(
    own_api_server: ApiServer, other_api_server: ApiServer
) -> None:
    await apply(other_api_server, ROOT, namespace("shop"), service("web"), endpoint_slice("web", "10.2.0.1"))
    secret = await asyncio.to_thread(printed, other_api_server, "--name", "west", "--token-lifetime", "1h")
    await apply(own_api_server, ROOT, secret)
    async with reading(own_api_server) as seen:
        await until(lambda: seen.addresses == ["10.2.0.1"])
        assert all(not kind.problem for kind in seen.source.health().clusters["west"].kinds.values())

    def refused() -> int:
        found = access(secret["stringData"]["west"].encode())  # type: ignore[index]
        try:
            api.CoreV1Api(api.ApiClient(found.configuration)).list_secret_for_all_namespaces(_request_timeout=10)
        except api.ApiException as error:
            return int(error.status or 0)
        return 200

    assert await asyncio.to_thread(refused) == 403


def test_it_wants_a_name(own_api_server: ApiServer) -> None:
    told = ["create-remote-secret", "--kubeconfig", str(own_api_server.kubeconfig), "--name", "a b"]
    result = CliRunner().invoke(app(), told)
    assert result.exit_code == 2
    assert "--name must be the cluster's id" in result.output
