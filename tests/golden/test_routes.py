"""Golden cases of what VirtualServices make of routes, each also read by the real Envoy."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.golden.compared import compare
from tests.golden.route_case import Case, outcome
from xds.local.sidecar import installed_envoy
from xds.translators import rds
from xds.translators.feature import HTTP_ROUTE, HTTP_ROUTE_DESTINATION
from xds.translators.registry import features
from xds.view.specs.routes import RouteTable, VirtualHostSpec
from xds.wire.codec import to_plain

FOLDERS: Final = (
    "cors",
    "direct_responses",
    "faults",
    "gateway_api",
    "headers",
    "mirrors",
    "redirects",
    "retries",
    "rewrites",
    "routes",
    "timeouts",
)
HERE: Final = Path(__file__).parent
CASES: Final = [path for folder in FOLDERS for path in sorted((HERE / folder).glob("*.yaml"))]
ENVOY: Final = installed_envoy()


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_golden(path: Path, golden: str) -> None:
    compare(path, outcome(path.read_text()), golden)


def test_every_route_feature_has_cases() -> None:
    carriers = {HTTP_ROUTE, HTTP_ROUTE_DESTINATION}
    of_routes = {each.policy.__module__.split(".")[-2] for each in features() if carriers & set(each.decode)}
    assert of_routes == set(FOLDERS) - {"gateway_api", "routes"}
    assert all(any(path.parent.name == folder for path in CASES) for folder in FOLDERS)


@pytest.mark.envoy
@pytest.mark.skipif(ENVOY is None, reason="no Envoy is installed")
def test_envoy_takes_all(tmp_path: Path) -> None:
    hosts = []
    for number, path in enumerate(CASES):
        case = Case(yaml.safe_load(path.read_text()))
        hosts.append(VirtualHostSpec("golden", f"{number}", (f"host-{number}",), case.routes()))
    table = to_plain(rds.route_configuration(RouteTable("golden", tuple(hosts))))
    assert validated(table, tmp_path) == ""


def validated(table: dict[str, Any], folder: Path) -> str:
    """What Envoy has to say against a bootstrap with this route table; nothing when it takes it."""
    filters = sorted((each.http_filter for each in features() if each.http_filter), key=lambda each: each.phase)
    of = "type.googleapis.com/envoy.extensions.filters"
    http_filters: list[dict[str, Any]] = []
    for each in filters:
        config = each.config()
        kind = f"type.googleapis.com/{config.DESCRIPTOR.full_name}"
        http_filters.append({"name": each.name, "typed_config": {"@type": kind, **to_plain(config)}})
    http_filters.append({"name": "router", "typed_config": {"@type": f"{of}.http.router.v3.Router"}})
    connection_manager = {
        "@type": f"{of}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "golden",
        "route_config": table,
        "http_filters": http_filters,
    }
    listener = {
        "name": "golden",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": connection_manager}]}],
    }
    regex = {"name": "regex", "static_layer": {"re2": {"max_program_size": {"error_level": 32768}}}}
    bootstrap = {
        "node": {"id": "golden", "cluster": "golden"},
        "static_resources": {"listeners": [listener]},
        "layered_runtime": {"layers": [regex]},
    }
    path = folder / "bootstrap.json"
    path.write_text(json.dumps(bootstrap))
    command = [str(ENVOY), "--mode", "validate", "--config-path", str(path), "--log-level", "warning"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stderr if done.returncode or "deprecated" in done.stderr else ""
