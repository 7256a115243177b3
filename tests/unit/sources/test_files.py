"""The watched directory and the memory source, as their readers see them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from xds.model.object import Object
from xds.model.refs import ObjectRef, Origin
from xds.sources.changes import Changed, Replaced, Transaction
from xds.sources.files import FileSource
from xds.sources.memory import MemorySource
from xds.sources.store import ObjectStore

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {{name: a, namespace: shop}}\nspec: {{ports: [{{port: {port}}}]}}\n"
DEADLINE_S = 10


async def following(changes: AsyncGenerator[Transaction, None]) -> Transaction:
    """The next change, before the deadline."""
    return await asyncio.wait_for(anext(changes), DEADLINE_S)


async def test_edits_arrive_within_a_second(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(SERVICE.format(port=80))
    source = FileSource(tmp_path)
    async with aclosing(source.changes()) as changes:
        first = await following(changes)
        assert isinstance(first, Replaced)
        started = asyncio.get_running_loop().time()
        path.write_text(SERVICE.format(port="eighty"))
        change = await following(changes)
        assert isinstance(change, Changed)
        assert (change.upserts, change.deletes) == ((), ())
        assert [problem.code for problem in change.problems[str(path)]] == ["field.integer"]
        assert asyncio.get_running_loop().time() - started < 1
        path.write_text(SERVICE.format(port=81))
        change = await following(changes)
        assert isinstance(change, Changed)
        assert change.upserts[0].struct.spec.ports[0].port == 81
        path.unlink()
        change = await following(changes)
        assert isinstance(change, Changed)
        assert change.deletes == (ObjectRef("", "Service", "shop", "a"),)


async def test_new_folders_are_watched_too(tmp_path: Path) -> None:
    async with aclosing(FileSource(tmp_path).changes()) as changes:
        assert await following(changes) == Replaced(f"files:{tmp_path}", ())
        (tmp_path / "deep" / "er").mkdir(parents=True)
        (tmp_path / "deep" / "er" / "a.yaml").write_text(SERVICE.format(port=80))
        change = await following(changes)
        assert isinstance(change, Changed)
        assert [found.ref.name for found in change.upserts] == ["a"]


async def test_a_single_file_is_watched_through_renames(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(SERVICE.format(port=80))
    async with aclosing(FileSource(path).changes()) as changes:
        await following(changes)
        (tmp_path / "new").write_text(SERVICE.format(port=81))
        (tmp_path / "new").replace(path)
        change = await following(changes)
        assert isinstance(change, Changed)
        assert change.upserts[0].struct.spec.ports[0].port == 81


async def test_a_directory_that_goes_away_takes_nothing_along(tmp_path: Path) -> None:
    root = tmp_path / "manifests"
    root.mkdir()
    (root / "a.yaml").write_text(SERVICE.format(port=80))
    source = FileSource(root)
    store = ObjectStore([source.name])
    async with aclosing(source.changes()) as changes:
        store.apply(await following(changes))
        shutil.move(root, tmp_path / "elsewhere")
        store.apply(await following(changes))
        assert [problem.code for problem in store.problems()] == ["source.unreadable"]
        assert len(store) == 1
        shutil.move(tmp_path / "elsewhere", root)
        store.apply(await following(changes))
        assert store.problems() == ()
        assert len(store) == 1


async def test_a_directory_that_is_not_there_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await following(FileSource(tmp_path / "none").changes())


async def test_what_a_program_applies_reaches_every_reader() -> None:
    def made(name: str) -> Object[Any]:
        return Object(ObjectRef("", "Service", "shop", name), name, Origin("memory"))

    source = MemorySource(objects=[made("a")])
    early = source.changes()
    assert await following(early) == Replaced("memory", (made("a"),))
    source.apply([made("b")], [made("a").ref])
    assert await following(early) == Changed("memory", (made("b"),), (made("a").ref,))
    late = source.changes()
    assert await following(late) == Replaced("memory", (made("b"),))
