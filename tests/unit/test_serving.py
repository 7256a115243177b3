"""What ``plait serve`` makes of its settings, and what it says when it cannot start."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ca import keys
from ca.directory_store import DirectoryStore
from ca.issuer import Issuer, self_signed
from ca.state import CaState
from xds.identity.trust import NOBODY
from xds.serving import CannotServe, default_ca_dir, serve, trust
from xds.setting_values import SettingError
from xds.settings import Settings

NOW = datetime.now(UTC)
YEARS = timedelta(days=4000)


def plugged_in(folder: Path, issuer: Issuer, key: Issuer | None = None) -> Settings:
    """Settings with a plugged-in CA of these files."""
    files = folder / "cacerts"
    files.mkdir()
    (files / "ca-cert.pem").write_bytes(issuer.certificate.public_bytes(Encoding.PEM))
    (files / "root-cert.pem").write_bytes(issuer.root.public_bytes(Encoding.PEM))
    (files / "ca-key.pem").write_bytes(keys.to_pem((key or issuer).key))
    (files / "cert-chain.pem").write_bytes(b"")
    return Settings(xds="127.0.0.1:0", http="", ca_dir=folder / "ca", plugged_in_ca=files)


def stored(folder: Path, issuer: Issuer, passphrase: bytes | None = None) -> Settings:
    """Settings with a CA in a folder of ours."""
    DirectoryStore(folder / "ca", passphrase).save(CaState(issuer, NOW))
    return Settings(xds="127.0.0.1:0", http="", ca_dir=folder / "ca")


def exposed(folder: Path) -> Settings:
    settings = stored(folder, self_signed(NOW))
    (folder / "ca" / "current" / "ca-key.pem").chmod(0o644)
    return settings


async def refusal(folder: Path, settings: Settings) -> str:
    """What it says when it does not start."""
    manifests = folder / "manifests"
    manifests.mkdir()
    with pytest.raises(CannotServe) as caught:
        async with asyncio.timeout(20):
            await serve(replace(settings, manifests=(manifests,)), lambda: pytest.fail("it has started"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda at: plugged_in(at, self_signed(NOW), self_signed(NOW)), "ca-key.pem is not the key of"),
        (lambda at: plugged_in(at, self_signed(NOW - YEARS)), "expired at"),
        (lambda at: plugged_in(at, self_signed(NOW + timedelta(days=1))), "set the clock (NTP)"),
        (lambda at: stored(at, self_signed(NOW - YEARS)), "expired at"),
        (lambda at: stored(at, self_signed(NOW), b"secret"), "the key is encrypted and no passphrase was given"),
        (exposed, "ca-key.pem may be read by others (mode 0644): chmod 600 it"),
    ],
    ids=["another key", "expired", "clock", "stored and expired", "encrypted", "exposed"],
)
async def test_a_ca_that_cannot_be_used(tmp_path: Path, made: Callable[[Path], Settings], why: str) -> None:
    assert why in await refusal(tmp_path, made(tmp_path))


def test_without_tls_there_is_neither_a_ca_nor_anybody_to_believe() -> None:
    assert trust(Settings(xds="", xds_plaintext="127.0.0.1:0"), {}) is NOBODY


def test_the_passphrase_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("secret\n")
    stored(tmp_path, self_signed(NOW), b"secret")
    made = trust(Settings(ca_dir=tmp_path / "ca", ca_passphrase_file=file), {})
    assert made.store is not None
    assert made.store.load() is not None
    file.write_text("\n")
    with pytest.raises(SettingError, match="is empty"):
        trust(Settings(ca_dir=tmp_path / "ca", ca_passphrase_file=file), {})


@pytest.mark.parametrize("text", ["", "no json", "[]", json.dumps({"keys": []}), json.dumps({"keys": [{"kid": "a"}]})])
def test_keys_that_are_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(SettingError, match=r"token_keys: .*JWK set"):
        trust(Settings(ca_dir=tmp_path, token_issuer="https://kubernetes", token_keys=str(file)), {})


def test_where_the_ca_is_kept() -> None:
    assert default_ca_dir({"XDG_STATE_HOME": "/state"}) == Path("/state/plait/ca")
    assert default_ca_dir({"XDG_STATE_HOME": "relative"}) == Path.home() / ".local/state/plait/ca"
