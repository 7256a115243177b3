"""Same input, same bytes, whatever the order of sets: the golden meshes under two hash seeds."""

from __future__ import annotations

import os
import subprocess
import sys


def digests(seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-m", "tests.golden.digests"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_bytes_do_not_depend_on_the_hash_seed() -> None:
    first = digests("1")
    assert first.count("\n") > 50
    assert first == digests("2")
