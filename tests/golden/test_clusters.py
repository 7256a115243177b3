"""Golden cases of what a DestinationRule makes of clusters, each also read by the real Envoy."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.golden.cluster_case import Case, outcome
from tests.golden.compared import compare
from xds.local.sidecar import installed_envoy
from xds.translators import cds, lds
from xds.view.specs.listeners import TcpChain
from xds.wire.codec import to_plain

FOLDERS = (
    "connection_pools",
    "load_balancing",
    "locality_failover",
    "outlier_detection",
    "proxy_protocol",
    "tunneling",
    "upstream_tls",
)
HERE = Path(__file__).parent
CASES = [path for folder in FOLDERS for path in sorted((HERE / folder).glob("*.yaml"))]
ENVOY = installed_envoy()


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_golden(path: Path, golden: str) -> None:
    compare(path, outcome(path.read_text()), golden)


@pytest.mark.envoy
@pytest.mark.skipif(ENVOY is None, reason="no Envoy is installed")
def test_envoy_takes_all(tmp_path: Path) -> None:
    clusters: list[dict[str, Any]] = []
    listeners: list[dict[str, Any]] = []
    for number, path in enumerate(CASES):
        case = Case(yaml.safe_load(path.read_text()))
        if case.errors:
            continue  # nothing is made of an object with errors
        content = case.listener().chains[0].content
        assert isinstance(content, TcpChain)
        name = content.stat_prefix
        for spec in case.clusters():
            clusters.append(to_plain(cds.cluster(spec)) | {"name": f"{number}{spec.name}"})
        plain = to_plain(lds.listener(case.listener()))
        # Envoy 1.40 crashes when it validates (and only then) a stats logger that shares its scope.
        plain["filter_chains"][0]["filters"][0]["typed_config"].pop("access_log")
        listener = json.dumps(plain)
        first = case.clusters()[0].name
        listeners.append(
            json.loads(listener.replace(json.dumps(first), json.dumps(f"{number}{first}")))
            | {
                "name": f"{number}{name}",
                "address": {"socket_address": {"address": f"10.0.0.{number}", "port_value": 80}},
            }
        )
    assert validated(clusters, listeners, tmp_path) == ""


def validated(clusters: list[dict[str, Any]], listeners: list[dict[str, Any]], folder: Path) -> str:
    """What Envoy has to say against a bootstrap of these; nothing when it takes them."""
    ads = {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}],
    }
    own = {"name": "xds", "type": "STATIC", "connect_timeout": "1s"}
    bootstrap = {
        "node": {"id": "golden", "cluster": "golden"},
        "dynamic_resources": {"ads_config": ads},
        "static_resources": {"clusters": [own, *clusters], "listeners": listeners},
    }
    path = folder / "bootstrap.json"
    path.write_text(json.dumps(bootstrap))
    command = [str(ENVOY), "--mode", "validate", "--config-path", str(path), "--log-level", "warning"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stderr if done.returncode or "deprecated" in done.stderr else ""
