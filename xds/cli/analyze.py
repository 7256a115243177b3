"""``plait analyze``: what is wrong with manifests, or with what a running control plane has."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from xds.cli.control_plane import control_plane
from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document, stdout
from xds.cli.where import Where
from xds.cli.where import found as place_of
from xds.explain.listed import RANK, Listed, Suppression, listed, shown
from xds.model.problem import Severity

if TYPE_CHECKING:
    from xds.cli.cluster import Cluster
    from xds.local.state import MeshEntry
    from xds.settings import Settings

app = typer_app()

_STYLES: Final = {"error": "bold red", "warning": "bold yellow", "info": "blue"}


@dataclass(frozen=True, slots=True)
class Files:
    """What is looked at instead of what runs."""

    paths: Annotated[list[Path] | None, typer.Argument(metavar="[FILE|DIR]...", help="Manifests; the same as -f.")] = (
        None
    )
    file: Annotated[
        list[Path] | None,
        typer.Option("-f", "--file", help="A file or a directory of manifests; may be repeated. Default: what runs."),
    ] = None
    prove: Annotated[
        bool, typer.Option("--prove", help="Of files: ask an Envoy as well, that of PATH or of `plait[envoy]`.")
    ] = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Which findings are shown, and which are too many."""

    namespace: Annotated[
        str, typer.Option("-n", "--namespace", metavar="NS", help="Only those of objects in this namespace.")
    ] = ""
    all_namespaces: Annotated[bool, typer.Option("-A", "--all-namespaces", hidden=True)] = False
    recursive: Annotated[bool, typer.Option("-R", "--recursive", hidden=True)] = False
    suppress: Annotated[
        list[str] | None,
        typer.Option("-S", "--suppress", metavar="CODE=KIND NAME.NS", help="Leave these out; * and ? match anything."),
    ] = None
    failure_threshold: Annotated[
        Severity, typer.Option("--failure-threshold", help="Exit with 1 when there is one of this level, or worse.")
    ] = Severity.ERROR
    output_threshold: Annotated[
        Severity, typer.Option("--output-threshold", help="Show only those of this level, and worse.")
    ] = Severity.INFO


def command(files: Files, where: Where, limits: Limits, output: OutputOption = Output.TABLE) -> None:
    """What is wrong with the configuration: each finding with its file and line, object and field.

    Exit status 1 when there is an error.
    """
    paths = [*(files.paths or ()), *(files.file or ())]
    if files.prove and not paths:
        raise Failure("--prove is for files: what runs has its own prover")
    found = _in_files(paths, prove=files.prove) if paths else _in_force(where)
    if limits.namespace and not limits.all_namespaces:
        found = [each for each in found if _is_in(limits.namespace, each["object"])]
    try:
        unwanted = [Suppression.parse(text) for text in limits.suppress or ()]
    except ValueError as error:
        raise Failure(f"--suppress {error}") from None
    wanted = shown(found, unwanted, limits.output_threshold)
    if output is Output.TABLE:
        print_findings(wanted)
    else:
        print_document(wanted, output)
    kept = shown(found, unwanted, limits.failure_threshold)
    raise typer.Exit(1 if kept else 0)


def _in_files(paths: Sequence[Path], *, prove: bool) -> list[Listed]:
    from xds.cli.judged import judged
    from xds.cli.manifests import findings
    from xds.judging.proving import found_envoy

    settings = settings_for(paths)
    binary = found_envoy() if prove else None
    if prove and binary is None:
        raise Failure("--prove: there is no envoy on the PATH")
    try:
        found = findings(paths, settings, partial(judged, binary=binary))
    except OSError as error:
        raise Failure(str(error)) from None
    return [listed(problem) for problem in found]


def settings_for(paths: Sequence[Path]) -> Settings:
    """How manifests in files are read. Errors: Failure, also where there is no such file."""
    from xds.setting_values import SettingError
    from xds.settings import Settings

    for path in paths:
        if not path.exists():
            raise Failure(f"{path}: there is no such file or directory")
    try:
        return Settings.resolve(os.environ, {"manifests": tuple(paths)})
    except SettingError as error:
        raise Failure(str(error)) from None


def _in_force(where: Where) -> list[Listed]:
    asked = control_plane(where)
    found = asked.ask("/debug/problems")
    if not isinstance(found, list):
        raise Failure(f"the control plane at {asked.name} does not tell its problems")
    place = None if where.http else place_of(where)
    beyond = _unread(place) if place is not None else []
    return sorted([*found, *beyond], key=lambda each: -RANK[Severity(each["level"])])


def _unread(place: MeshEntry | Cluster) -> list[Listed]:
    from xds.cli.unread import unread
    from xds.local.state import MeshEntry

    return [] if isinstance(place, MeshEntry) else list(unread(place))


def _is_in(namespace: str, found: str) -> bool:
    """Whether an object (``VirtualService shop/reviews``) is in a namespace, or is that namespace."""
    kind, _, name = found.partition(" ")
    return name.partition("/")[0] == namespace if "/" in name else (kind, name) == ("Namespace", namespace)


def print_findings(found: Sequence[Listed]) -> None:
    """A line a finding, ``file:line: level: object field: message [code]``, and one that counts them."""
    from rich.text import Text

    console = stdout()
    for one in found:
        line = Text(f"{one['origin']}: " if one["origin"] else "")
        line.append(one["level"], _STYLES[one["level"]])
        line.append(f": {one['object']}{' ' if one['field'] else ''}", "bold").append(one["field"], "bold")
        line.append(f": {one['message']} ").append(f"[{one['code']}]", "dim")
        console.print(line, soft_wrap=True)
    console.print(_summary(found), soft_wrap=True)


def _summary(found: Sequence[Listed]) -> str:
    counts = Counter(one["level"] for one in found)
    if not counts:
        return "no problems found"
    levels = sorted((level for level in Severity if counts[level.value]), key=lambda level: -RANK[level])
    parts = [_counted(counts[level.value], level) for level in levels]
    return f"found {', '.join(parts)}"


def _counted(number: int, level: Severity) -> str:
    word = "info" if level is Severity.INFO else level.value if number == 1 else f"{level.value}s"
    return f"{number} {word}"


app.command()(grouped(command))
