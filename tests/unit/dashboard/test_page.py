"""The page: what it may load, and what is said where it cannot be had."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from build_dashboard import fetch
from xds.dashboard import page

UI = Path(page.__file__).parent / "ui"
ELSEWHERE = re.compile(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", re.IGNORECASE)


async def _get(path: str) -> httpx.Response:
    app = Starlette(routes=page.routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
        return await client.get(path)


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for libraries, with none in it."""
    monkeypatch.setattr(page, "_LIBRARIES", tmp_path)
    return tmp_path


async def test_the_document_may_load_its_own_scripts_and_nothing_else(libraries: Path) -> None:
    (libraries / "preact.mjs").write_text("")
    answer = await _get("/dashboard/")
    assert answer.status_code == 200
    import_map = answer.text.partition('<script type="importmap">')[2].partition("</script>")[0]
    assert json.loads(import_map)["imports"]["preact"] == "/dashboard/libraries/preact.mjs"
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def test_without_libraries_it_says_so(libraries: Path) -> None:
    answer = await _get("/dashboard/")
    assert answer.status_code == 503
    assert "npm" in answer.text


@pytest.mark.parametrize("path", ["/", "/dashboard"])
async def test_other_addresses_lead_to_it(path: str) -> None:
    answer = await _get(path)
    assert (answer.status_code, answer.headers["location"]) == (307, "/dashboard/")


async def test_its_own_files_are_served() -> None:
    answer = await _get("/dashboard/ui/main.js")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"
    assert (await _get("/dashboard/ui/.hidden")).status_code == 404
    assert (await _get("/dashboard/ui/../page.py")).status_code == 404


@pytest.mark.parametrize("path", sorted(UI.iterdir()), ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not ELSEWHERE.findall(text)


def test_every_library_of_the_document_is_fetched() -> None:
    named = set(re.findall(r"/dashboard/libraries/([a-z.]+)", (UI / "index.html").read_text()))
    assert named <= fetch._FILES.keys()


def test_without_npm_nothing_is_touched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(fetch.FetchError, match="npm, which is not on the PATH"):
        fetch.fetch(tmp_path / "assets")
    assert not (tmp_path / "assets").exists()


def test_what_npm_says_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error no registry answers' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(fetch.FetchError, match="no registry answers"):
        fetch.fetch(tmp_path / "assets")


def test_every_library_is_pinned() -> None:
    lock = json.loads((Path(fetch.__file__).parent / "package-lock.json").read_text())
    packages = {name: known for name, known in lock["packages"].items() if name}
    assert packages
    assert all(known["integrity"].startswith("sha512-") for known in packages.values())
