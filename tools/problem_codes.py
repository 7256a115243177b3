"""Write ``docs/problems.md``: every code that a finding can have, taken from the source that makes the findings."""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[1]
FILE: Final = _ROOT / "docs" / "problems.md"
_FOLDERS: Final = ("decoders", "translators", "explain", "sources", "local", "rollout")
_HEAD: Final = """\
# Problem codes

Made by `python -m tools.problem_codes` from the source; do not edit. What is wrong with a manifest is said in one form
everywhere: in the log, in `plait analyze` and in `/debug/problems`, as `OBJECT FIELD: MESSAGE [CODE]`. Codes are
stable, messages are not; `…` stands for what is filled in, and one code can have several messages.

An *error* keeps an object's last good version in force (findings of `xds/explain` and `xds/local` are about whole
meshes and pods, and hold nothing back). A *warning* is probably not meant, or not done by this version. An *info* is
worth knowing. A message that is `…` alone is a parser's own.

| code | level | message | made in |
|---|---|---|---|
"""
_CODE: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\.[a-z0-9]+(-[a-z0-9]+)*")
_MAKERS: Final = frozenset({"add", "error", "warning", "Problem", "Fault", "file_problem"})
_OPEN: Final = "…"
_LEVELS: Final = ("error", "warning", "info")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that makes findings of a code; the level is one of error, warning and info."""

    code: str
    level: str
    message: str
    file: str


def document() -> str:
    """The whole page."""
    return _HEAD + "".join(_row(code, list(each)) for code, each in itertools.groupby(findings(), lambda f: f.code))


def findings() -> tuple[Finding, ...]:
    """Every code with its levels, messages and files, sorted and each once."""
    found: set[Finding] = set()
    for folder in _FOLDERS:
        for path in sorted((_ROOT / "xds" / folder).rglob("*.py")):
            found.update(_Module(ast.parse(path.read_text()), str(path.relative_to(_ROOT))).findings())
    return tuple(sorted(found, key=lambda f: (f.code, _LEVELS.index(f.level), f.file, f.message)))


def _row(code: str, each: list[Finding]) -> str:
    levels = ", ".join(level for level in _LEVELS if any(f.level == level for f in each))
    messages = "<br>".join(dict.fromkeys(f.message.replace("|", "\\|").replace("<", "&lt;") for f in each))
    files = ", ".join(f"`{file}`" for file in sorted({f.file for f in each}))
    return f"| `{code}` | {levels} | {messages} | {files} |\n"


class _Module:
    """One source file: where its findings are made, and what the names in it can stand for."""

    def __init__(self, tree: ast.Module, file: str) -> None:
        self._tree = tree
        self._file = file
        functions = list(_functions(tree))
        # A module without the function that it calls has imported it.
        self._functions = {f.name: f for f in (*_imported(tree), *functions)}
        self._scopes = [*functions, tree]

    def findings(self) -> Iterator[Finding]:
        """The findings that the file makes."""
        for scope in self._scopes:
            nodes = list(_own(scope))
            outer = {id(arg): node for node in nodes if isinstance(node, ast.Call) for arg in node.args}
            for node in nodes:
                if isinstance(node, ast.Call) and _called(node) in _MAKERS and len(node.args) >= 3:
                    levels = self._levels(node, outer.get(id(node)), scope)
                    yield from self._made(node.args[1], node.args[2], levels, scope)
                elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and "/shape/" in self._file:
                    yield from self._made(node.elts[0], node.elts[1], ("error",), scope)

    def _made(self, code: ast.expr, message: ast.expr, levels: Iterable[str], scope: ast.AST) -> Iterator[Finding]:
        if isinstance(code, ast.Name) and any(index is not None for _, index in _bound(code, scope)):
            return  # from a pair of code and message, which is found where it is written
        codes = [text for text in self._texts(code, scope) if _CODE.fullmatch(text)]
        if codes:
            for each in itertools.product(codes, levels, self._texts(message, scope)):
                yield Finding(*each, self._file)

    def _levels(self, call: ast.Call, outer: ast.Call | None, scope: ast.AST) -> tuple[str, ...]:
        """The level that a call states; that of its surroundings for a Fault, which has none itself."""
        if _called(call) == "warning":
            return ("warning",)
        stated = call.args[3:] if _called(call) != "Fault" else outer.args[2:] if outer is not None else []
        for value in (*stated, *(each.value for each in call.keywords if each.arg == "severity")):
            bound = _bound(value, scope) if isinstance(value, ast.Name) else [(value, None)]
            if levels := tuple(level for each, _ in bound for level in self._severities(each)):
                return levels
        return ("error",)

    def _severities(self, value: ast.expr) -> Iterator[str]:
        function = self._functions.get(_called(value)) if isinstance(value, ast.Call) else None
        yield from dict.fromkeys(_severities(function or value))

    def _texts(self, value: ast.expr, scope: ast.AST) -> list[str]:
        """What ``value`` can be, with … for what is known only later."""
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return [value.value]
        if isinstance(value, ast.JoinedStr):
            parts = [self._part(each, scope) for each in value.values]
            return ["".join(each) for each in itertools.product(*parts)]
        if isinstance(value, ast.IfExp):
            return [*self._texts(value.body, scope), *self._texts(value.orelse, scope)]
        if isinstance(value, ast.Name):
            found = [text for bound, index in _bound(value, scope) for text in self._element(bound, index, scope)]
            return found or [_OPEN]
        if isinstance(value, ast.Call):
            return self._element(value, None, scope)
        return [_OPEN]

    def _part(self, value: ast.expr, scope: ast.AST) -> list[str]:
        if not isinstance(value, ast.FormattedValue):
            return self._texts(value, scope)
        if isinstance(value.value, ast.Name):
            return _looped(value.value.id, scope) or [_OPEN]
        return [_OPEN]

    def _element(self, value: ast.expr, index: int | None, scope: ast.AST) -> list[str]:
        """The same of a call to a function that is known here: what it returns, or one element of that."""
        if not isinstance(value, ast.Call):
            return self._texts(value, scope) if index is None else [_OPEN]
        function = self._functions.get(_called(value))
        if function is None:
            return [_OPEN]
        inner = _Module(ast.Module(list(self._functions.values()), []), self._file)
        texts: list[str] = []
        for node in _own(function):
            if isinstance(node, ast.Return) and node.value is not None:
                returned = node.value
                if index is not None and isinstance(returned, ast.Tuple):
                    returned = returned.elts[index]
                if not isinstance(returned, ast.Constant) or returned.value is not None:
                    texts += inner._texts(returned, function)
        return texts or [_OPEN]


def _functions(tree: ast.Module) -> Iterator[Function]:
    yield from (node for node in ast.walk(tree) if isinstance(node, Function))


def _imported(tree: ast.Module) -> Iterator[Function]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xds.decoders.shape."):
            path = _ROOT / f"{str(node.module).replace('.', '/')}.py"
            yield from _functions(ast.parse(path.read_text()))


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """What stands in a scope, without the functions in it."""
    for node in ast.iter_child_nodes(scope):
        if not isinstance(node, Function):
            yield node
            yield from _own(node)
        elif isinstance(scope, Function):
            yield from _own(node)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _severities(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "Severity":
            yield each.attr.lower()


def _bound(name: ast.Name, scope: ast.AST) -> list[tuple[ast.expr, int | None]]:
    """The value that was last assigned to ``name``; with an index, where it gets one element of the value."""
    found: list[tuple[ast.expr, int | None]] = []
    for node in _own(scope):
        if isinstance(node, ast.Assign) and node.lineno < name.lineno:
            for target in node.targets:
                names = [getattr(each, "id", "") for each in getattr(target, "elts", [])]
                if isinstance(target, ast.Name) and target.id == name.id:
                    found.append((node.value, None))
                elif name.id in names:
                    found.append((node.value, names.index(name.id)))
    return found[-1:]


def _looped(name: str, scope: ast.AST) -> list[str]:
    """The texts that a loop over a written list gives ``name``."""
    for node in _own(scope):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and node.target.id == name:
            texts = [each.value for each in getattr(node.iter, "elts", []) if isinstance(each, ast.Constant)]
            return [text for text in texts if isinstance(text, str)]
    return []


def main() -> int:
    """Write the page; the exit status."""
    FILE.write_text(document())
    return 0


if __name__ == "__main__":
    sys.exit(main())
