"""Pods without namespaces: processes on loopback, HTTP through an explicit proxy."""

from __future__ import annotations

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from xds.local import sidecar, state
from xds.local.commands import started_at
from xds.local.loopback import PROXY_PORT
from xds.local.mesh import LocalMesh
from xds.local.output import OutputLine
from xds.local.pods import Container, ContainerPort, PodKey, PodSpec
from xds.local.settings import LocalSettings

pytestmark = pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) is not installed")

LIMIT = timedelta(seconds=60)
A, B = PodKey("shop", "a"), PodKey("shop", "b")


def echo(name: str, *, inject: bool) -> PodSpec:
    container = Container("app", image="plait/echo", ports=(ContainerPort(18080, "http"),))
    return PodSpec("shop", name, (container,), inject=inject)


def proxying(settings: LocalSettings) -> sidecar.BootstrapFor:
    """The usual bootstrap, with the explicit proxy in it that a control plane would send."""
    usual = sidecar.bootstraps(settings, "xds")

    def make(spec: PodSpec, addresses: tuple[str, ...]) -> dict[str, Any]:
        config = usual(spec, addresses)
        assert config["node"]["metadata"]["INTERCEPTION_MODE"] == "NONE"
        del config["dynamic_resources"], config["layered_runtime"]
        kind = "type.googleapis.com/envoy.extensions.filters."
        headers = [{"header": {"key": "x-outbound", "value": "envoy"}}]
        route = {"match": {"prefix": "/"}, "route": {"cluster": "b"}, "request_headers_to_add": headers}
        manager = {
            "@type": kind + "network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "proxy",
            "route_config": {"virtual_hosts": [{"name": "b", "domains": ["b"], "routes": [route]}]},
            "http_filters": [{"name": "router", "typed_config": {"@type": kind + "http.router.v3.Router"}}],
        }
        listen = {"socket_address": {"address": addresses[0], "port_value": PROXY_PORT}}
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        config["static_resources"]["listeners"].append({"name": "p", "address": listen, "filter_chains": [chain]})
        there = {"socket_address": {"address": "127.77.0.3", "port_value": 18080}}
        assignment = {"cluster_name": "b", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": there}}]}]}
        config["static_resources"]["clusters"].append({"name": "b", "type": "STATIC", "load_assignment": assignment})
        return config

    return make


async def test_http_goes_through_the_explicit_proxy(tmp_path: Path) -> None:
    settings = LocalSettings(name=f"loopback-{os.getpid()}", folder=tmp_path, loopback=True)
    lines: list[OutputLine] = []
    async with LocalMesh(settings, proxying(settings), lines.append) as mesh:
        await mesh.apply([echo("a", inject=True), echo("b", inject=False)])
        await mesh.until_ready(LIMIT)
        assert [status.ip for status in mesh.statuses.values()] == ["127.77.0.2", "127.77.0.3"]
        done = await mesh.exec(A, ["curl", "-sS", "http://b/hello"])
        answer = json.loads(done.stdout)
        assert (answer["pod"], answer["path"], answer["headers"]["x-outbound"]) == ("b", "/hello", "envoy")
        assert (await mesh.admin_get(A, "/ready"))[0] == 200
        entry = next(found for found in state.running(state.state_folder()) if found.name == settings.name)
        assert sidecar.admin_of(state.find_pod(entry, "shop", "a"), "/ready")[0] == 200
        pids = _with_variable(f"POD_IP={mesh.statuses[B].ip}")
        assert pids
    assert not [pid for pid in pids if started_at(pid)]
    assert not state.files_folder(settings.name).exists()


def _with_variable(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and text.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found
