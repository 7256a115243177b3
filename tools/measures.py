"""Prints the measures of the house (docs/architecture.md): a figure beyond them is a reason to look at the design."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parent.parent
_PACKAGES: Final = ("xds", "ca")
_GENERATED: Final = _ROOT / "xds" / "api"
_MAX_FILE: Final = 300
_MAX_FUNCTION: Final = 50
_MAX_PARAMETERS: Final = 6
_MAX_NESTING: Final = 3
_BLOCKS: Final = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Measured:
    """One function or file: where it is, and its length in lines; of functions, parameters and nesting too."""

    where: str
    lines: int
    parameters: int = 0
    nesting: int = 0
    documented: bool = True


def main() -> None:
    """Print all measures, then what lies beyond them, one a line."""
    sources = {path: path.read_text() for path in _paths()}
    trees = {path: ast.parse(text) for path, text in sources.items()}
    files = [
        Measured(_name(path), text.count("\n"), documented=ast.get_docstring(trees[path]) is not None)
        for path, text in sources.items()
    ]
    functions = [found for path, tree in trees.items() for found in _functions(path, tree)]
    public = [documented for tree in trees.values() for documented in _public(tree)]
    print(_percentiles("lines per file", [file.lines for file in files], "110 / 250 / 300"))
    print(_percentiles("lines per function", [function.lines for function in functions], "8 / 30 / 50"))
    print(_share("modules with a docstring", [file.documented for file in files]))
    print(_share("public functions and classes with a docstring", public))
    beyond = list(_beyond(files, functions))
    print(f"beyond the measures: {len(beyond)}", *beyond, sep="\n  ")


def _paths() -> Iterator[Path]:
    for package in _PACKAGES:
        yield from sorted(path for path in (_ROOT / package).rglob("*.py") if not path.is_relative_to(_GENERATED))


def _name(path: Path) -> str:
    return str(path.relative_to(_ROOT))


def _functions(path: Path, tree: ast.Module) -> Iterator[Measured]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            where = f"{_name(path)}:{node.lineno} {node.name}"
            yield Measured(where, length, _parameters(node), _nesting(node.body))


def _parameters(node: Function) -> int:
    names = [parameter.arg for parameter in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len([name for name in names if name not in {"self", "cls"}])


def _nesting(body: Sequence[ast.AST]) -> int:
    """How deep blocks stand in blocks; ``elif`` is no deeper than its ``if``."""
    deepest = 0
    for node in body:
        inner = 0
        if isinstance(node, _BLOCKS):
            inner = 1 + max((_nesting(part) for part in _bodies(node)), default=0)
            if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
                inner = max(1 + _nesting(node.body), _nesting(node.orelse))
        deepest = max(deepest, inner)
    return deepest


def _bodies(node: ast.AST) -> Iterator[Sequence[ast.AST]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(node, name, [])
    for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
        yield part.body


def _public(tree: ast.Module) -> Iterator[bool]:
    """Per public function, class and public method of a public class, whether it has a docstring."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield ast.get_docstring(node) is not None
            if isinstance(node, ast.ClassDef):
                yield from (
                    ast.get_docstring(method) is not None
                    for method in node.body
                    if isinstance(method, Function) and not method.name.startswith("_")
                )


def _percentiles(what: str, found: list[int], ours: str) -> str:
    ordered = sorted(found) or [0]
    p50, p95 = (ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.50, 0.95))
    return f"{what} p50 / p95 / max: {p50} / {p95} / {ordered[-1]} of {len(found)} (ours: {ours})"


def _share(what: str, found: list[bool]) -> str:
    return f"{what}: {sum(found)} of {len(found)}"


def _beyond(files: list[Measured], functions: list[Measured]) -> Iterator[str]:
    for file in files:
        if file.lines > _MAX_FILE:
            yield f"{file.where}: {file.lines} lines"
    for function in functions:
        if function.lines > _MAX_FUNCTION:
            yield f"{function.where}: {function.lines} lines"
        if function.parameters > _MAX_PARAMETERS:
            yield f"{function.where}: {function.parameters} parameters"
        if function.nesting > _MAX_NESTING:
            yield f"{function.where}: nesting {function.nesting}"


if __name__ == "__main__":
    main()
