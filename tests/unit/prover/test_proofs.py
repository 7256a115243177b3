"""What was proven outlives a restart, for its version of Envoy alone, in a file that stays small and private."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xds.prover import proofs as module
from xds.prover.proofs import Hashes, Remembered


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_kept_for_one_version(tmp_path: Path) -> None:
    first = Remembered(tmp_path, "1.40.0")
    first.proofs.add([key(1), key(2), key(1)])
    first.deadly.add([key(3)])
    again = Remembered(tmp_path)
    assert key(1) not in again.proofs
    again.follow("1.40.0")
    assert key(1) in again.proofs
    assert key(3) in again.deadly
    assert key(3) not in again.proofs
    again.follow("1.41.0")
    assert key(1) not in again.proofs
    file = next(each for each in tmp_path.iterdir() if each.name.startswith("proofs-"))
    assert (file.stat().st_size, file.stat().st_mode & 0o777) == (32, 0o600)


def test_a_write_that_was_cut_short_costs_only_its_own(tmp_path: Path) -> None:
    Hashes(tmp_path / "known").add([key(1), key(2)])
    (file,) = tmp_path.iterdir()
    os.truncate(file, 27)
    again = Hashes(tmp_path / "known")
    again.add([key(3)])
    found = Hashes(tmp_path / "known")
    assert (key(1) in found, key(2) in found, key(3) in found) == (True, False, True)


def test_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 10)
    found = Hashes(tmp_path / "known")
    for number in range(100):
        found.add([key(number)])
    assert len(found) == 10
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size <= 20 * 16
    assert key(99) in Hashes(tmp_path / "known")


def test_a_folder_that_cannot_be_written_costs_the_keeping_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = Hashes(tmp_path / "file" / "known")
    found.add([key(1)])
    assert key(1) in found
