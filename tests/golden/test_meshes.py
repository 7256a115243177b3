"""Whole meshes against their golden outlines."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.golden.compared import compare
from tests.golden.mesh_case import outline

CASES = sorted((Path(__file__).parent / "mesh").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_mesh(path: Path, golden: str) -> None:
    compare(path, outline(yaml.safe_load(path.read_text())), golden)
