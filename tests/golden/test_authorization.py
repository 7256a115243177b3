"""Golden cases of what AuthorizationPolicies make of a workload's filters, each also read by the real Envoy."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.golden.authorization_case import Case, outcome
from tests.golden.compared import compare
from xds.api.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from xds.local.sidecar import installed_envoy
from xds.wire.codec import to_plain

CASES: Final = sorted((Path(__file__).parent / "authorization").glob("*.yaml"))
ENVOY: Final = installed_envoy()
OF: Final = "type.googleapis.com/envoy.extensions.filters"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden(path: Path, golden: str) -> None:
    compare(path, outcome(path.read_text()), golden)


@pytest.mark.envoy
@pytest.mark.skipif(ENVOY is None, reason="no Envoy is installed")
def test_envoy_takes_all(tmp_path: Path) -> None:
    cases = [Case(yaml.safe_load(path.read_text())) for path in CASES]
    http = [config for case in cases for _, config in case.filters("http")]
    tcp = [config for case in cases for _, config in case.filters("tcp")]
    assert validated(http, tcp, tmp_path) == ""


def validated(http: Iterable[TypedExtensionConfig], tcp: Iterable[TypedExtensionConfig], folder: Path) -> str:
    """What Envoy has to say against a bootstrap with these filters; nothing when it takes them."""
    router = {"name": "router", "typed_config": {"@type": f"{OF}.http.router.v3.Router"}}
    manager = {
        "@type": f"{OF}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "golden",
        "route_config": {"name": "golden"},
        "http_filters": [*_numbered(http), router],
    }
    proxy = {"@type": f"{OF}.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "golden", "cluster": "golden"}
    chains: list[dict[str, Any]] = [
        {"name": "http", "filters": [{"name": "http", "typed_config": manager}]},
        {"name": "tcp", "filters": [*_numbered(tcp), {"name": "tcp", "typed_config": proxy}]},
    ]
    chains[0]["filter_chain_match"] = {"destination_port": 80}
    listener = {
        "name": "golden",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": chains,
    }
    regex = {"name": "regex", "static_layer": {"re2": {"max_program_size": {"error_level": 32768}}}}
    bootstrap = {
        "node": {"id": "golden", "cluster": "golden"},
        "static_resources": {"listeners": [listener], "clusters": [{"name": "golden", "connect_timeout": "1s"}]},
        "layered_runtime": {"layers": [regex]},
    }
    path = folder / "bootstrap.json"
    path.write_text(json.dumps(bootstrap))
    command = [str(ENVOY), "--mode", "validate", "--config-path", str(path), "--log-level", "warning"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stderr if done.returncode or "deprecated" in done.stderr else ""


def _numbered(configs: Iterable[TypedExtensionConfig]) -> list[dict[str, Any]]:
    return [{**to_plain(config), "name": f"{number}"} for number, config in enumerate(configs)]
