"""The measures: what counts as nesting and as a parameter."""

from __future__ import annotations

import ast

import pytest

from tools import measures


@pytest.mark.parametrize(
    ("text", "nesting"),
    [
        ("x = 1", 0),
        ("if a:\n  x = 1\nelif b:\n  x = 2\nelif c:\n  x = 3", 1),
        ("for a in b:\n  try:\n    x = 1\n  except E:\n    if a:\n      x = 2", 3),
        ("if a:\n  x = 1\nelse:\n  x = 1\n  if b:\n    x = 2", 2),
    ],
)
def test_nesting(text: str, nesting: int) -> None:
    assert measures._nesting(ast.parse(text).body) == nesting


def test_self_is_no_parameter() -> None:
    function = ast.parse("def f(self, a, /, b, *, c=1): ...").body[0]
    assert isinstance(function, ast.FunctionDef)
    assert measures._parameters(function) == 3


def test_the_measures_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    measures.main()
    printed = capsys.readouterr().out
    assert "lines per file" in printed
    assert "beyond the measures:" in printed
