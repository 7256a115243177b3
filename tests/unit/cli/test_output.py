"""Tables, JSON and YAML."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from xds.cli.output import Output, print_document, print_table

COLUMNS = {"NAME": "name", "STATE": "state"}
ROWS: list[dict[str, Any]] = [
    {"name": "web-1.shop", "state": "SYNCED", "more": [1]},
    {"name": "a-very-long-name", "state": None},
]


def test_a_table_is_aligned_and_neither_cut_nor_coloured_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, [*ROWS, {"name": "x" * 300, "state": ["a", "b"]}], Output.TABLE)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "NAME" + " " * 299 + "STATE"
    assert lines[1].split() == ["web-1.shop", "SYNCED"]
    assert lines[2].split() == ["a-very-long-name", "-"]
    assert lines[3] == "x" * 300 + "   a, b"
    assert "\x1b" not in "".join(lines)


def test_a_table_without_rows_is_its_heading(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, [], Output.TABLE)
    assert capsys.readouterr().out == "NAME   STATE\n"


def test_json_and_yaml_have_the_rows_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, ROWS, Output.JSON)
    assert json.loads(capsys.readouterr().out) == ROWS
    print_table(COLUMNS, ROWS, Output.YAML)
    assert yaml.safe_load(capsys.readouterr().out) == ROWS
    print_document([], Output.JSON)
    assert capsys.readouterr().out == "[]\n"
