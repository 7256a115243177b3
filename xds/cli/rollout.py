"""``plait rollout``: changes that go to one proxy, then to a few, then to all: status, promote, abort."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final

import typer

from xds.cli.control_plane import ControlPlane, control_plane
from xds.cli.failure import Failure
from xds.cli.lazy import show_help, typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document, print_table
from xds.cli.where import Where

_PAGE: Final = "/debug/rollouts"
_COLUMNS: Final = {"OBJECT": "object", "STATE": "state", "STEP": "step", "PROXIES": "proxies", "WHY": "why"}

ObjectArgument = Annotated[
    str,
    typer.Argument(metavar="[OBJECT]", help="KIND/NAME, KIND/NAME.NAMESPACE or NAME. Default: what rolls out now."),
]


def status(where: Where, object_: ObjectArgument = "", output: OutputOption = Output.TABLE) -> None:
    """What rolls out, what waits, what came back and why.

    Exit status 1 when something came back.
    """
    told = control_plane(where).ask_each(_PAGE)
    every = [row for _, answer in sorted(told.items()) for row in _rows(answer or {}) if _means(object_, row)]
    rows = _together(every)
    if output is Output.TABLE:
        print_table(_COLUMNS, rows, output)
    else:
        print_document(dict(sorted(told.items())), output)
    raise typer.Exit(1 if any(row["state"] == "aborted" for row in rows) else 0)


def promote(where: Where, object_: ObjectArgument = "") -> None:
    """Let a change through to all proxies now, and what rolls out with it; also one that came back."""
    _decide(where, "promote", object_, "let through to all proxies")


def abort(where: Where, object_: ObjectArgument = "") -> None:
    """Take a change back from all proxies until it is edited again, and what rolls out with it."""
    _decide(where, "abort", object_, "taken back")


def _decide(where: Where, what: str, wanted: str, done: str) -> None:
    asked = control_plane(where)
    queries: dict[tuple[str, ...], Mapping[str, str]] = {(): {}}
    if wanted:
        held = [each for answer in asked.ask_each(_PAGE).values() for each in (answer or {}).get("held", ())]
        queries = {_key(each): _query(each) for each in held if _means(wanted, each)}
    decided = sorted({each["object"] for query in queries.values() for each in _told(asked, what, query)})
    if not decided:
        raise Failure(f"nothing of {wanted!r} is held back" if wanted else "nothing rolls out now: say which object")
    for each in decided:
        typer.echo(f"{each}: {done}")


def _told(asked: ControlPlane, what: str, query: Mapping[str, str]) -> Iterable[Mapping[str, Any]]:
    answers = asked.tell_each(f"{_PAGE}/{what}", **query)
    return [each for answer in answers.values() for each in answer or ()]


def _rows(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    under_way = answer.get("rollout")
    for each in answer.get("held", ()):
        row = {**each, "step": "", "proxies": "", "why": each["reason"], "counts": (0, 0), "known": 0}
        if under_way is not None and each["object"] in [known["object"] for known in under_way["objects"]]:
            row["step"] = f"{under_way['step']} of {under_way['steps']}"
            row["counts"] = (under_way["proxies"], under_way["affected"])
            row["why"] = under_way["reason"] or _watched(under_way)
            row["known"] = 2 if under_way["judgement"] else 1  # the one that leads has what all tell
        yield row


def _together(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row an object: what who knows most says of it, with the proxies of all control planes."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        before = found.get(row["object"])
        if before is None:
            found[row["object"]] = row
            continue
        best = row if row["known"] > before["known"] else before
        counts = tuple(one + other for one, other in zip(before["counts"], row["counts"], strict=True))
        found[row["object"]] = {**best, "counts": counts}
    for row in found.values():
        moved, affected = row["counts"]
        row["proxies"] = f"{moved} of {affected}" if row["known"] else ""
    return list(found.values())


def _watched(rollout: Mapping[str, Any]) -> str:
    judged = f": {rollout['requests']} requests, {rollout['why'] or 'no harm so far'}" if rollout["judgement"] else ""
    return f"{rollout['phase']}{judged}"


def _means(wanted: str, row: Mapping[str, Any]) -> bool:
    """Whether an object is meant: by its kind (any word for it) and name, or its name alone."""
    kind, slash, rest = wanted.rpartition("/")
    names = {row["name"], f"{row['name']}.{row['namespace']}"}
    if not wanted:
        return True
    if not slash:
        return rest in names
    from xds.kinds.registry import by_word

    struct = by_word(kind)
    return rest in names and struct is not None and struct.KIND.name == row["kind"]


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[word] for word in ("group", "kind", "namespace", "name"))


def _query(row: Mapping[str, Any]) -> Mapping[str, str]:
    return {word: row[word] for word in ("group", "kind", "namespace", "name")}


def _app() -> typer.Typer:
    group = typer_app(help="Changes of configuration that roll out in steps.")
    group.callback(invoke_without_command=True)(show_help)
    for command in (status, promote, abort):
        group.command(command.__name__)(grouped(command))
    return group


app = _app()
