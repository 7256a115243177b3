"""``plait crds print``."""

from __future__ import annotations

import json

import yaml
from typer.testing import CliRunner

from xds.cli.crds import app
from xds.kinds.crds.definitions import all_crds


def test_as_yaml() -> None:
    done = CliRunner().invoke(app, ["print"])
    assert done.exit_code == 0
    assert list(yaml.safe_load_all(done.output)) == list(all_crds())


def test_as_json() -> None:
    done = CliRunner().invoke(app, ["print", "-o", "json"])
    assert done.exit_code == 0
    assert json.loads(done.output) == {"apiVersion": "v1", "kind": "List", "items": list(all_crds())}


def test_alone_it_shows_its_commands() -> None:
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 2
    assert "apply" in done.output
