"""``plait vm join`` with a token at hand: the files and their modes, and what it refuses."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner, Result

from xds.cli.plait import app

KEY = "a key of at least thirty-two bytes, for HS256"


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A folder with a token and roots."""
    claims = {"sub": "system:serviceaccount:shop:vm", "exp": 4102444800}
    (tmp_path / "given.token").write_text(jwt.encode(claims, KEY, "HS256") + "\n")
    (tmp_path / "roots.pem").write_text("roots\n")
    return tmp_path


def join(given: Path, *more: str, address: str = "10.0.0.5", namespace: str = "shop") -> Result:
    token = ("--token-file", str(given / "given.token"), "--ca", str(given / "roots.pem"))
    words = ("vms", "-n", namespace, "--address", address, "-o", str(given / "out"), *token)
    return CliRunner().invoke(app(), ["vm", "join", *words, *more])


def test_the_files_and_their_modes(given: Path) -> None:
    result = join(given, "--xds", "mesh.example:15012", "--at", "/etc/plait")
    assert result.exit_code == 0, result.output
    assert "/etc/plait/plait-sidecar.service" in result.output
    out = given / "out"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()}
    assert modes == {
        "envoy.json": 0o644,
        "token": 0o600,
        "root-cert.pem": 0o644,
        "control-plane-token.json": 0o644,
        "control-plane-trust.json": 0o644,
        "interception.sh": 0o755,
        "plait-sidecar.service": 0o644,
    }
    token = (given / "given.token").read_text().strip()
    assert (out / "token").read_text() == token
    assert token not in result.output
    node = json.loads((out / "envoy.json").read_text())["node"]
    assert (node["metadata"]["SERVICE_ACCOUNT"], node["metadata"]["NAME"]) == ("vm", "vms-10.0.0.5")
    assert "/etc/plait/token" in (out / "control-plane-token.json").read_text()


def test_again_takes_the_place_of_before(given: Path) -> None:
    assert join(given, "--xds", "mesh.example:15012").exit_code == 0
    before = (given / "out" / "token").stat().st_ino
    assert join(given, "--xds", "mesh.example:15012").exit_code == 0
    assert (given / "out" / "token").stat().st_ino != before, "a new file in one step: Envoy takes it by that"


@pytest.mark.parametrize(
    ("more", "claims", "why"),
    [
        ((), {}, "--xds"),
        (("--xds", "mesh.example"), {}, "host:port"),
        (("--xds", "a:1"), {"address": "127.0.0.1"}, "others reach it by"),
        (("--xds", "a:1"), {"address": "vm"}, "must be an IP address"),
        (("--xds", "a:1"), {"namespace": "bank"}, "no service account of bank"),
        (("--xds", "a:1", "--exclude-inbound-ports", "ssh"), {}, "must be ports"),
        (("--xds", "a:1", "--token-lifetime", "long"), {}, "--token-lifetime"),
    ],
)
def test_refused(given: Path, more: tuple[str, ...], claims: dict[str, str], why: str) -> None:
    result = join(given, *more, **claims)
    assert result.exit_code != 0
    assert why in str(result.exception) + result.output
    assert not (given / "out").exists()
