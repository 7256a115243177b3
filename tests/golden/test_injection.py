"""Golden cases of what pods are given, their bootstraps also read by the real Envoy."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.envoy.test_control_plane_tls import Authority
from tests.golden.compared import compare
from tests.golden.injection_case import Case, bootstrap
from xds.local.sidecar import installed_envoy
from xds.webhooks.inject import inject

CASES: Final = sorted((Path(__file__).parent / "injection").glob("*.yaml"))
ENVOY: Final = installed_envoy()
FOLDER: Final = "/var/run/secrets/plait"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden(path: Path, golden: str) -> None:
    compare(path, Case(path.read_text()).outcome(), golden)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_again_is_nothing(path: Path) -> None:
    case = Case(path.read_text())
    if case.injected.pod is not None:
        again = inject(case.injected.pod, "shop", case.settings)
        assert (again.pod, again.reason) == (None, "it has its sidecar already")


@pytest.mark.envoy
@pytest.mark.skipif(ENVOY is None, reason="no Envoy is installed")
def test_envoy_takes_all(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token")
    (tmp_path / "root-cert.pem").write_bytes(Authority().pem)
    for path in CASES:
        pod = Case(path.read_text()).injected.pod
        document = bootstrap(pod) if pod else None
        if pod is None or document is None:
            continue
        for key, text in pod["metadata"]["annotations"].items():
            if key.startswith("sidecar.plait/control-plane-"):
                (tmp_path / f"{key.partition('/')[2]}.json").write_text(text.replace(FOLDER, str(tmp_path)))
        file = tmp_path / "bootstrap.json"
        file.write_text(json.dumps(document).replace(FOLDER, str(tmp_path)))
        command = [str(ENVOY), "--mode", "validate", "--config-path", str(file), "--log-level", "warning"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{path.stem}: {done.stderr}"
        assert "deprecated" not in done.stderr, path.stem
