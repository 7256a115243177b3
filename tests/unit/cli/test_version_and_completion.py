"""``plait version`` and ``plait completion``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.cli.scripted import scripted
from xds import __version__
from xds.cli.plait import app

PAGES: dict[str, list[object]] = {
    "/metrics": ['# HELP x\npilot_info{version="0.9"} 1\n'],
    "/debug/syncz": [
        [{"proxy": name, "envoy": envoy, "connected_since": ""} for name, envoy in (("a", "1.40.0"), ("b", "1.40.0"))]
    ],
}


def test_versions_of_all() -> None:
    with scripted(PAGES) as where:
        result = CliRunner().invoke(app(), ["version", "--http", where])
        told = json.loads(CliRunner().invoke(app(), ["version", "--http", where, "-o", "json"]).stdout)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"client version: {__version__}",
        "control plane version: 0.9",
        "data plane version: Envoy 1.40.0 (2 proxies)",
    ]
    assert told == {"client": __version__, "control_plane": {where: "0.9"}, "data_plane": {"1.40.0": 2}}


def test_the_client_alone() -> None:
    result = CliRunner().invoke(app(), ["version", "--client"])
    assert result.stdout == f"client version: {__version__}\n"
    nobody = CliRunner().invoke(app(), ["version", "--http", "127.0.0.1:1"])
    assert nobody.exit_code == 0
    assert "no control plane answers" in nobody.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_the_script_of_each_shell(shell: str) -> None:
    result = CliRunner().invoke(app(), ["completion", shell])
    assert result.exit_code == 0, result.output
    assert "_PLAIT_COMPLETE" in result.stdout


@pytest.mark.parametrize(
    ("line", "offered"),
    [("plait wai", "wait"), ("plait proxy-config clu", "cluster"), ("plait wait --ti", "--timeout")],
)
def test_what_a_shell_is_offered(line: str, offered: str) -> None:
    asked = {"_PLAIT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    command = (sys.executable, "-c", "from xds.cli import main; main()")
    told = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert offered in told.stdout.split()


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="there is no bash here")
def test_bash_takes_the_script() -> None:
    script = CliRunner().invoke(app(), ["completion", "bash"]).stdout
    done = subprocess.run(
        ["/bin/bash", "-c", f"{script}\ncomplete -p plait"], capture_output=True, text=True, check=False
    )
    assert "_plait_completion" in done.stdout, done.stderr
