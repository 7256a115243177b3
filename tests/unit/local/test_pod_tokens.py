"""Tokens of pods as files: who may read them, when they are renewed, that they go."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from xds.local import pod_tokens, secrets, sidecar
from xds.local.loopback import LoopbackHost
from xds.local.pod_tokens import PodTokens
from xds.local.pods import PodSpec
from xds.local.settings import LocalSettings

SPEC = PodSpec("shop", "web-0", ())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_their_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "own" / "token"
    for text in ("one", "two"):
        secrets.write(path, text, os.geteuid())
        assert path.read_text() == text
    assert (mode(path), mode(path.parent)) == (0o400, 0o700)
    assert [each.name for each in path.parent.iterdir()] == ["token"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_secrets_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "own" / "token"
    secrets.write(path, "one", 1337)
    found, folder = path.stat(), path.parent.stat()
    assert (found.st_uid, found.st_gid, mode(path)) == (1337, 1337, 0o400)
    assert (folder.st_uid, folder.st_gid, mode(path.parent)) == (0, 1337, 0o750), "its owner could put links there"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "own" / "token", tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    path.parent.mkdir()
    for name in (path, path.with_name(".token.new")):
        name.symlink_to(elsewhere)
    secrets.write(path, "one", os.geteuid())
    assert (path.read_text(), elsewhere.read_text()) == ("one", "kept")
    assert not path.is_symlink()


async def test_a_token_is_renewed_at_half_its_life_and_goes_with_its_pod(tmp_path: Path) -> None:
    host, issued, asked = LoopbackHost.start(tmp_path / "mesh", None), asyncio.Event(), []

    def issue(spec: PodSpec, lifetime: timedelta) -> str:
        asked.append((spec, lifetime))
        if len(asked) == 3:
            issued.set()
        return f"token {len(asked)}"

    tokens = PodTokens(issue, timedelta(seconds=0.04))
    where = pod_tokens.watched(tmp_path / "mesh", SPEC.key)
    pod_tokens.write(host, SPEC, tokens)
    assert where.file.read_text() == "token 1"
    assert where.sds_file.read_text() == where.sds
    renewing = asyncio.create_task(pod_tokens.renew(host, SPEC, tokens, print))
    async with asyncio.timeout(10):
        await issued.wait()
    renewing.cancel()
    await asyncio.gather(renewing, return_exceptions=True)
    assert where.file.read_text() == f"token {len(asked)}"
    assert set(map(str, asked)) == {str((SPEC, tokens.lifetime))}
    pod_tokens.remove(host, SPEC.key)
    assert not where.file.parent.exists()
    pod_tokens.remove(host, SPEC.key)


async def test_a_token_that_cannot_be_renewed_is_said(tmp_path: Path) -> None:
    host, said, twice = LoopbackHost.start(tmp_path / "mesh", None), [], asyncio.Event()

    def issue(_: PodSpec, __: timedelta) -> str:
        raise OSError("no space")

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 2:
            twice.set()

    renewing = asyncio.create_task(pod_tokens.renew(host, SPEC, PodTokens(issue, timedelta(seconds=0.02)), say))
    async with asyncio.timeout(10):
        await twice.wait()
    renewing.cancel()
    await asyncio.gather(renewing, return_exceptions=True)
    assert said[0] == "cannot renew the sidecar's token: no space"


def test_bootstraps_say_where_the_token_is() -> None:
    plain, proving = (sidecar.bootstraps(LocalSettings(), "xds", tokens=tokens) for tokens in (False, True))
    config = json.dumps(proving(SPEC, ("10.77.0.2",)))
    assert "/run/plait/pods/shop.web-0/token/sds.json" in config
    assert "token/sds.json" not in json.dumps(plain(SPEC, ("10.77.0.2",)))
