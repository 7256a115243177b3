"""A machine of a cluster, as far as that goes without Envoy: what `plait vm join` wrote lets it in, and its entry is
written by a control plane with no other rights than its own.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from structlog.testing import capture_logs
from typer.testing import CliRunner

from tests.kube.api_server import ApiServer
from tests.kube.policy_server import running
from tests.kube.waiting import until_there
from xds.api.envoy.config.core.v3.base_pb2 import Node
from xds.api.envoy.service.discovery.v3.ads_pb2_grpc import AggregatedDiscoveryServiceStub
from xds.api.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest
from xds.cli.plait import app
from xds.install import access
from xds.install.control_plane import namespace
from xds.install.values import Values
from xds.kinds.crds.definitions import all_crds
from xds.machines import machines
from xds.serving import serve
from xds.settings import Settings

VALUES = Values()
ENTRIES = "workloadentries.networking.istio.io"
CLUSTERS = "type.googleapis.com/envoy.config.cluster.v3.Cluster"


@pytest.fixture
def prepared(own_api_server: ApiServer) -> ApiServer:
    """An API server with what an installation has, and a group with its account."""
    server = own_api_server
    rights = (access.cluster_role, access.cluster_role_binding, access.role, access.role_binding)
    server.apply(*all_crds())
    server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    server.apply(namespace(VALUES), access.service_account(VALUES), *(each(VALUES) for each in rights))
    at = {"name": "vms", "namespace": "default"}
    kind = {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadGroup", "metadata": at}
    spec = {"metadata": {"labels": {"app": "vm"}}, "template": {"serviceAccount": "vm"}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "vm", "namespace": "default"}}
    server.apply({**kind, "spec": spec}, account)
    return server


@asynccontextmanager
async def served(server: ApiServer, folder: Path, xds: str) -> AsyncIterator[None]:
    token = server.kubectl("create", "token", VALUES.name, f"--namespace={VALUES.namespace}").stdout.strip()
    kubeconfig = folder / "own.kubeconfig"
    kubeconfig.write_text(server.kubeconfig_text(token))
    settings = Settings(
        kubeconfig=kubeconfig, namespace=VALUES.namespace, xds=xds, http="127.0.0.1:0", prover="off", state_dir=folder
    )
    with capture_logs() as logs:
        async with running(lambda: serve(settings, lambda: None)):
            yield
    assert not [each for each in logs if "403" in str(each.get("reason"))]


@asynccontextmanager
async def connected(files: Path, address: str) -> AsyncIterator[Any]:
    """A stream as the machine's Envoy opens it, with its first answer."""
    node = ParseDict(json.loads((files / "envoy.json").read_text())["node"], Node())
    credentials = grpc.ssl_channel_credentials((files / "root-cert.pem").read_bytes())
    named = (("grpc.ssl_target_name_override", "istiod.istio-system.svc"),)
    async with grpc.aio.secure_channel(address, credentials, options=named) as channel:
        authorization = (("authorization", f"Bearer {(files / 'token').read_text()}"),)
        stub: Any = AggregatedDiscoveryServiceStub(channel)  # type: ignore[no-untyped-call]
        call = stub.DeltaAggregatedResources(metadata=authorization)
        await call.write(DeltaDiscoveryRequest(node=node, type_url=CLUSTERS))
        yield await asyncio.wait_for(call.read(), 20)
        call.cancel()


async def test_a_machine_joins(prepared: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "GRACE_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as found:
        address = f"127.0.0.1:{found.getsockname()[1]}"

    def there() -> dict[str, Any] | None:
        done = prepared.kubectl("get", ENTRIES, "vms-10.0.0.5", "-o", "json", check=False)
        entry: dict[str, Any] | None = json.loads(done.stdout) if done.returncode == 0 else None
        return entry

    def rooted() -> bool:
        return prepared.kubectl("get", "configmap", "istio-ca-root-cert", check=False).returncode == 0

    async with served(prepared, tmp_path, address):
        await until_there(rooted)
        words = ("vm", "join", "vms", "-n", "default", "--address", "10.0.0.5", "--xds", address)
        told = [*words, "-o", str(tmp_path / "vm"), "--kubeconfig", str(prepared.kubeconfig)]
        result = await asyncio.to_thread(CliRunner().invoke, app(), told)
        assert result.exit_code == 0, (result.output, result.exception)
        async with connected(tmp_path / "vm", address) as answer:
            assert answer.type_url == CLUSTERS
            await until_there(there)
            entry = there()
            assert entry is not None
            assert entry["spec"]["serviceAccount"] == "vm"
            assert entry["spec"]["labels"] == {"app": "vm", "security.istio.io/tlsMode": "istio"}
            assert entry["metadata"]["annotations"]["istio.io/autoRegistrationGroup"] == "vms"
        await until_there(lambda: there() is None)
