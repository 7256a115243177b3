"""What a machine is given: the bootstrap, the token for its owner only, rules that a shell can read, a unit."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from xds.machines.files import Machine, Place, files
from xds.model.endpoint import Locality
from xds.model.interception import Interception

THERE = Path("/etc/plait")
MACHINE = Machine(
    namespace="shop",
    group="vms",
    name="vms-10.0.0.5",
    addresses=("10.0.0.5",),
    service_account="vm",
    token="s3cret",
    xds="mesh.example:15012",
    roots="-----BEGIN CERTIFICATE-----\n",
    server_name="istiod.istio-system.svc",
    locality=Locality("r", "z"),
)


def test_the_files() -> None:
    made = files(MACHINE, Place(THERE, interception=Interception(excluded_inbound_ports=(22,))))
    assert {name: file.mode for name, file in made.items() if file.mode != 0o644} == {
        "token": 0o600,
        "interception.sh": 0o755,
    }
    assert [name for name, file in made.items() if "s3cret" in file.text] == ["token"]
    assert "s3cret" not in repr(MACHINE) + repr(made)
    config = json.loads(made["envoy.json"].text)
    wanted = {"AUTO_REGISTER_GROUP": "vms", "INSTANCE_IPS": "10.0.0.5", "NAMESPACE": "shop", "SERVICE_ACCOUNT": "vm"}
    assert wanted.items() <= config["node"]["metadata"].items()
    assert config["node"]["locality"] == {"region": "r", "zone": "z"}
    text = json.dumps(config)
    assert "istiod.istio-system.svc" in text
    for name in ("control-plane-token.json", "control-plane-trust.json"):
        assert f"{THERE}/{name}" in text
        assert name in made
    assert "--dport 22 -j RETURN" in made["interception.sh"].text
    assert f'--config-path "{THERE}/envoy.json"' in made["plait-sidecar.service"].text


def test_a_local_meshs_socket_needs_no_roots() -> None:
    made = files(Machine("shop", "vms", "vms-1", ("10.0.0.5",), "vm", "t", "unix:/run/plait/xds"), Place(THERE))
    assert "root-cert.pem" not in made
    assert "transport_socket" not in made["envoy.json"].text


def test_an_address_that_is_none() -> None:
    with pytest.raises(ValueError, match="host:port"):
        files(Machine("shop", "vms", "vms-1", ("10.0.0.5",), "vm", "t", "mesh.example"), Place(THERE))


def test_a_machine_of_both_families() -> None:
    made = files(replace(MACHINE, addresses=("10.0.0.5", "fd00::5")), Place(THERE))
    config = json.loads(made["envoy.json"].text)
    assert config["node"]["metadata"]["INSTANCE_IPS"] == "10.0.0.5,fd00::5"
    bound = {each["address"]["socket_address"]["address"] for each in config["static_resources"]["listeners"]}
    assert bound == {"::"}
    assert "::6/128 dev lo" in made["interception.sh"].text
    assert "::6/128 dev lo" not in files(MACHINE, Place(THERE))["interception.sh"].text


def test_the_rules_are_shell(tmp_path: Path) -> None:
    script = tmp_path / "interception.sh"
    script.write_text(files(MACHINE, Place(THERE))["interception.sh"].text)
    checked = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    asked = subprocess.run(["sh", str(script), "maybe"], capture_output=True, text=True, check=False)
    assert (asked.returncode, "usage" in asked.stderr) == (2, True)


def test_envoy_is_told_the_labels_of_its_own_workload() -> None:
    unit = files(MACHINE, Place(THERE))["plait-sidecar.service"].text
    assert 'Environment="METRICS_WORKLOAD=' in unit
    assert 'Environment="OTEL_RESOURCE_ATTRIBUTES=service.name=' in unit
