"""A golden case and what is now: compared, or written into the case."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import Any

import yaml


def compare(path: Path, got: dict[str, Any], golden: str) -> None:
    """Assert that ``got`` is what the case says; or, when ``golden`` is ``write``, make the case say so.

    The hand-written part of the case is kept byte for byte. Problems stand last, one a line.
    """
    text = path.read_text()
    if golden == "write":
        kept, _, _ = text.partition("\nthen:\n")
        path.write_text(f"{kept.rstrip()}\nthen:\n{indent(_written(got), '  ')}")
    else:
        assert got == yaml.safe_load(text)["then"], "if this is wanted: make golden, then read the diff"


def _written(got: dict[str, Any]) -> str:
    found = {name: value for name, value in got.items() if name != "problems"}
    then = yaml.safe_dump(found, sort_keys=False, width=1000, default_flow_style=None) if found else ""
    problems = yaml.safe_dump({"problems": got["problems"]}, width=1000) if "problems" in got else ""
    return then + problems
