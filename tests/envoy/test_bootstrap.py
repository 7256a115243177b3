"""The shipped bootstraps, read by the real Envoy."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.envoy_bootstraps import FOLDER
from xds.local.mesh import unavailable
from xds.local.sidecar import installed_envoy

ENVOY = installed_envoy()


@pytest.mark.skipif(ENVOY is None, reason="no Envoy is installed")
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_valid_as_it_stands(path: Path) -> None:
    command = [str(ENVOY), "--mode", "validate", "--config-path", str(path), "--log-level", "warning"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr, done.stderr


@pytest.mark.skipif(unavailable() != "", reason=f"no network namespaces here: {unavailable()}")
@pytest.mark.parametrize("program", ["iptables", "ip6tables"])
def test_rules_load(program: str) -> None:
    command = ["unshare", "--net", f"{program}-restore", str(FOLDER / f"{program}.rules")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
