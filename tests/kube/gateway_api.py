"""An API server with the definitions of the Gateway API: those of the module that `tools/gateway-api crds` fetches."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.kube.api_server import ApiServer, binaries

_REPOSITORY: Final = Path(__file__).resolve().parents[2]


@functools.cache
def definitions() -> Path | str:
    """The file with the definitions; text says why there is none."""
    script = _REPOSITORY / "tools/gateway-api"
    done = subprocess.run([script, "crds"], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        return f"the Gateway API's definitions cannot be fetched: {done.stderr.strip()[-300:]}"
    return Path(done.stdout.strip()) / "crds.yaml"


def serve(server: ApiServer) -> None:
    """Have the Gateway API served there. The test is skipped where its definitions cannot be had."""
    found = definitions()
    if isinstance(found, str):
        pytest.skip(found)
    server.kubectl("apply", "--server-side", "-f", str(found))
    server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")


def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A running API server without the Gateway API, for a fixture."""
    assets = binaries()
    if assets is None:
        pytest.skip("no kube-apiserver here: `make kubernetes` builds it, or KUBEBUILDER_ASSETS names its folder")
    server = ApiServer(tmp_path_factory.mktemp("kube"), assets)
    try:
        server.start()
        yield server
    finally:
        server.close()


def gateway(name: str, **spec: Any) -> dict[str, Any]:
    """A Gateway of the class plait, with one listener for HTTP."""
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"gatewayClassName": "plait", "listeners": listeners, **spec},
    }


def http_route(name: str, *parents: str) -> dict[str, Any]:
    """An HTTPRoute to a Service that is not there."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "parentRefs": [{"name": parent} for parent in parents],
            "rules": [{"backendRefs": [{"name": "nobody", "port": 80}]}],
        },
    }
