"""``plait bootstrap``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from xds.cli.plait import app


def bootstrap(*arguments: str) -> Result:
    return CliRunner().invoke(app(), ["bootstrap", *arguments])


def made(*arguments: str) -> Any:
    result = bootstrap(*arguments)
    assert result.exit_code == 0, result.output
    return yaml.safe_load(result.stdout)


def test_an_istio_node_id_is_read() -> None:
    node_id = "sidecar~10.1.2.3~web-0.shop~shop.svc.cluster.local"
    node = made("--node-id", node_id, "--plaintext", "--label", "app=web", "--locality", "r/z")["node"]
    assert (node["id"], node["cluster"], node["locality"]) == (node_id, "web.shop", {"region": "r", "zone": "z"})
    wanted = {"NAME": "web-0", "NAMESPACE": "shop", "INSTANCE_IPS": "10.1.2.3", "LABELS": {"app": "web"}}
    assert wanted.items() <= node["metadata"].items()


@pytest.mark.parametrize("node_id", ["web", "a~b", "x~1~2~3"])
def test_any_other_node_id_stays_as_it_is(node_id: str) -> None:
    node = made("--node-id", node_id, "--plaintext", "--cluster", "mine")["node"]
    assert (node["id"], node["cluster"]) == (node_id, "mine")


def test_ports_and_address() -> None:
    ports = ("--admin", "1234", "--health", "0", "--metrics", "0")
    config = made("--node-id", "web", "--plaintext", "--xds", "unix:/run/xds", *ports)
    assert config["admin"]["address"]["socket_address"]["port_value"] == 1234
    assert config["static_resources"]["listeners"] == []
    assert "/run/xds" in json.dumps(config["static_resources"]["clusters"])
    assert "transport_socket" not in json.dumps(config)


def test_tls() -> None:
    config = made("--node-id", "web", "--xds", "plait.example:15012", "--ca", "/ca.pem")
    text = json.dumps(config["static_resources"]["clusters"])
    assert '"sni": "plait.example"' in text
    assert "/ca.pem" in text


def test_credentials_are_watched_by_files_that_are_written(tmp_path: Path) -> None:
    tls = ("--ca", "/tls/ca.pem", "--cert", "/tls/cert.pem", "--key", "/tls/key.pem")
    folder = tmp_path / "sds"
    config = made("--node-id", "web", *tls, "--token-file", "/run/token", "--sds-folder", str(folder))
    text = json.dumps(config["static_resources"]["clusters"])
    written = sorted(path.name for path in folder.iterdir())
    assert written == ["control-plane-certificate.json", "control-plane-token.json", "control-plane-trust.json"]
    assert all(str(folder / name) in text for name in written)
    assert "/run/token" in (folder / "control-plane-token.json").read_text()


def test_a_workload_api() -> None:
    config = made("--node-id", "web", "--plaintext", "--workload-socket", "/run/spire.sock")
    assert config["node"]["metadata"]["WORKLOAD_SDS"] == "socket"
    assert [each["name"] for each in config["static_resources"]["clusters"]] == ["xds-grpc", "sds-grpc", "admin"]


def test_json() -> None:
    assert json.loads(bootstrap("--node-id", "web", "--plaintext", "-o", "json").stdout)["node"]["id"] == "web"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say with --ca how to verify the control plane, or that it is --plaintext"),
        (("--ca", "/ca.pem", "--key", "/key.pem"), "--cert and --key go together"),
        (("--plaintext", "--xds", "nowhere"), "'nowhere' is no address"),
        (("--plaintext", "--token-file", "/run/token"), "--token-file needs --sds-folder"),
        (("--plaintext", "--label", "x"), "--label x: must be KEY=VALUE"),
    ],
)
def test_what_makes_no_sense(arguments: tuple[str, ...], message: str) -> None:
    result = bootstrap("--node-id", "web", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
