"""Whole meshes against their golden outlines."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.golden.mesh_case import outline

CASES = sorted((Path(__file__).parent / "mesh").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_mesh(path: Path, golden: str) -> None:
    text = path.read_text()
    case = yaml.safe_load(text)
    got = outline(case)
    if golden == "write":
        kept, _, _ = text.partition("\nthen:\n")
        then = yaml.safe_dump(got, sort_keys=False, width=1000, default_flow_style=None)
        path.write_text(f"{kept}\nthen:\n" + "".join(f"  {line}\n" for line in then.splitlines()))
    else:
        assert got == case["then"], "if this is wanted: make golden, then read the diff"
