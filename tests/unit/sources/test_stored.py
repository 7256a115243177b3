"""What a source held last stands in for it after a restart while it is away; nothing secret is kept, nor a part."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import yaml

from tests.objects import made, written
from xds.decoders.shape.decode import Place, decode_object
from xds.decoders.shape.stored import entry, read_back
from xds.model.refs import FieldRef, Origin
from xds.sources import stored as module
from xds.sources.changes import AuthoredObject, Changed, Replaced, Transaction
from xds.sources.stored import Stored, any_stands_in

ISTIO_OBJECTS = Path(__file__).parents[2] / "kube/istio_objects"
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}
"""
ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec: {hosts: [web], http: [{timeout: 1.5s, route: [{destination: {host: web}}]}]}
"""
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "key", "namespace": "shop"},
    "type": "kubernetes.io/tls",
    "data": {"tls.key": "c2VjcmV0", "tls.crt": "cHVibGlj"},
}


class Spoken:
    """A source that says what it is given."""

    name = "kubernetes:one"

    def __init__(self) -> None:
        self.says: asyncio.Queue[Transaction] = asyncio.Queue()
        self.away = False

    async def changes(self) -> AsyncGenerator[Transaction, None]:
        while True:
            yield await self.says.get()

    def locate(self, at: FieldRef, origin: Origin) -> Origin:
        return origin


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_PATIENCE_S", "_WRITE_S", "_LOOK_S"):
        monkeypatch.setattr(module, name, 0.02)


async def until_kept(path: Path, names: set[str]) -> None:
    async with asyncio.timeout(10):
        while {each["kind"] for each in kept(path)} != names:  # noqa: ASYNC110 (a file tells nobody)
            await asyncio.sleep(0.01)


def kept(path: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(path.read_text())["objects"] if path.exists() else []
    return found


async def spoken(path: Path, *says: Transaction, names: set[str]) -> None:
    """A source that says this until it is kept, and ends."""
    source = Spoken()
    changes = Stored(source, path, lambda: source.away).changes()
    for each in says:
        source.says.put_nowait(each)
        assert await anext(changes) is each
    await until_kept(path, names)
    await changes.aclose()


async def test_it_stands_in_until_the_source_speaks(tmp_path: Path) -> None:
    path = tmp_path / "state" / "objects.json"
    service, route = written(SERVICE)[0], written(ROUTE)[0]
    first = Replaced(Spoken.name, (service, made(SECRET)))
    await spoken(path, first, Changed(Spoken.name, upserts=(route,)), names={"Service", "VirtualService"})
    assert path.stat().st_mode & 0o777 == 0o600
    assert "c2VjcmV0" not in path.read_text()
    source = Spoken()
    source.away = True
    after = Stored(source, path, lambda: source.away)
    changes = after.changes()
    stood_in = await anext(changes)
    assert isinstance(stood_in, Replaced)
    assert {each.ref: each.struct for each in stood_in.objects} == {each.ref: each.struct for each in (service, route)}
    assert any_stands_in([after])
    now = Replaced(Spoken.name, (service,))
    source.says.put_nowait(now)
    assert await anext(changes) is now
    assert not any_stands_in([after])
    await changes.aclose()


async def test_one_that_is_only_slow_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "objects.json"
    await spoken(path, Replaced(Spoken.name, tuple(written(SERVICE))), names={"Service"})
    source = Spoken()
    changes = Stored(source, path, lambda: False).changes()
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.wait([waiting], timeout=0.2)
    assert not waiting.done()
    now = Replaced(Spoken.name, ())
    source.says.put_nowait(now)
    assert await waiting is now
    await changes.aclose()


@pytest.mark.parametrize("spoil", ["", "{}", "nonsense", "other version"])
async def test_a_file_that_cannot_be_used_is_not(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "objects.json"
    await spoken(path, Replaced(Spoken.name, tuple(written(SERVICE))), names={"Service"})
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, "version": "0.0.0"}) if spoil == "other version" else spoil)
    source = Spoken()
    changes = Stored(source, path, lambda: True).changes()
    waiting = asyncio.ensure_future(anext(changes))
    await asyncio.wait([waiting], timeout=0.2)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await changes.aclose()


def objects() -> list[AuthoredObject]:
    texts = [each.read_text() for each in sorted(ISTIO_OBJECTS.glob("*.yaml"))]
    plain = [each for text in texts for each in yaml.safe_load_all(text) if each]
    return [found for each in plain for found in decode_object(each, Place(Origin("a test"))).objects]


def test_every_object_reads_back_the_same() -> None:
    found = objects()
    assert len(found) > 20
    for each in found:
        plain = entry(each)
        assert plain is None or read_back(plain) == each, str(each.ref)
