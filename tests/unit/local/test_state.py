"""The file by which other terminals find a mesh."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from xds.local.commands import started_at
from xds.local.state import (
    MeshEntry,
    NotFound,
    NotFree,
    PodEntry,
    choose,
    claim,
    find_pod,
    own,
    release,
    remove,
    running,
    write,
)


def pod(name: str, workload: str = "", kind: str = "Pod", holder: int = 0) -> PodEntry:
    return PodEntry(
        namespace="shop",
        name=name,
        workload=workload or name,
        workload_kind=kind,
        holder=holder,
        holder_started=started_at(holder),
        addresses=("10.77.0.2",),
        sidecar=True,
        uid=1000,
        reads_all=False,
        folder="/srv",
        env={},
    )


def mesh(name: str, *pods: PodEntry) -> MeshEntry:
    return MeshEntry(name, os.getpid(), started_at(os.getpid()), 0, {"xds": "/x"}, pods)


def test_written_meshes_are_found_until_removed(tmp_path: Path) -> None:
    write(mesh("a", pod("web")), tmp_path)
    assert running(tmp_path) == (mesh("a", pod("web")),)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o600
    remove("a", tmp_path)
    assert running(tmp_path) == ()


def test_files_of_the_dead_are_removed_and_dead_pods_left_out(tmp_path: Path) -> None:
    write(msgspec.structs.replace(mesh("dead"), started=1), tmp_path)
    write(mesh("a", pod("web"), msgspec.structs.replace(pod("gone", holder=os.getpid()), holder_started=1)), tmp_path)
    (tmp_path / "broken.json").write_text("{")
    assert [[one.name for one in found.pods] for found in running(tmp_path)] == [["web"]]
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["a.json", "broken.json"]


def test_choice_of_a_mesh() -> None:
    one, other = mesh("a"), mesh("b")
    assert choose((one,)) is one
    assert choose((one, other), "b") is other
    with pytest.raises(NotFound, match="start one with"):
        choose(())
    with pytest.raises(NotFound, match="say which with --mesh: a, b"):
        choose((one, other))
    with pytest.raises(NotFound, match="no local mesh 'c' is running; running: a, b"):
        choose((one, other), "c")


def test_choice_of_a_pod() -> None:
    known = mesh(
        "a", pod("web-2", "web", "Deployment"), pod("web-1", "web", "Deployment"), pod("db-0", "db", "StatefulSet")
    )
    assert find_pod(known, "shop", "deploy/web").name == "web-1"
    assert find_pod(known, "shop", "sts/db").name == "db-0"
    assert find_pod(known, "shop", "web-2").name == "web-2"
    for target in ("web", "deploy/db", "nonsense/web"):
        with pytest.raises(NotFound, match="there: db-0, web-1, web-2"):
            find_pod(known, "shop", target)


def test_a_name_is_one_meshs_until_it_is_released(tmp_path: Path) -> None:
    held = claim("a", tmp_path)
    with pytest.raises(NotFree, match="a local mesh 'a' runs already"):
        claim("a", tmp_path)
    release("b", tmp_path, claim("b", tmp_path))
    release("a", tmp_path, held)
    release("a", tmp_path, claim("a", tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", ".", "..", "../etc", "a/b", ".hidden", "a b", "a\n"])
def test_a_name_is_no_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotFree, match="cannot be the name"):
        claim(name, tmp_path)


def test_a_folder_of_ones_own_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert own(tmp_path / "mine").stat().st_mode & 0o777 == 0o700
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for name in ("open", "link"):
        with pytest.raises(PermissionError, match="somebody else"):
            own(tmp_path / name)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(PermissionError, match="somebody else"):
        own(tmp_path / "mine")


def test_nothing_is_left_of_a_mesh_that_was_killed(tmp_path: Path) -> None:
    os.close(claim("a", tmp_path))
    write(msgspec.structs.replace(mesh("a"), started=1), tmp_path)
    assert running(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []
