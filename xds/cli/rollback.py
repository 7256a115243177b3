"""``plait rollback``: manifests of objects as they were before a generation, or after another."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from xds.cli.control_plane import ControlPlane, control_plane
from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, print_document
from xds.cli.told_generations import Told, generation_of, latest
from xds.cli.where import Where

app = typer_app()


@app.command()
@grouped
def command(
    where: Where,
    generation: Annotated[int, typer.Argument(metavar="GENERATION", min=1, help="A number that plait history shows.")],
    since: Annotated[
        bool, typer.Option("--since", help="Undo all later ones too: objects as they were before all of them.")
    ] = False,
    replica: Annotated[
        str, typer.Option("--replica", metavar="NAME", help="Which replica's: each numbers its own generations.")
    ] = "",
    output: Annotated[
        Output, typer.Option("-o", "--output", help="yaml, for kubectl and for files, or json.")
    ] = Output.YAML,
) -> None:
    """Print the objects that a generation changed as they were before it; nothing is changed by that.

    For a cluster: `plait rollback 17 | kubectl apply -f -`; what did not exist before stands in comments. Exit status 1
    where some of it cannot be told: objects that are not of Istio's kinds, and what is too long ago.
    """
    to = control_plane(where)
    first = generation_of(to, generation, replica)
    to = to.one(first["replica"])
    undone = [first, *_later(to, generation)] if since else [first]
    sides = _sides(undone)
    if not since:
        _warn_of_later(to, first, generation)
    restored = {key: each["before"] for key, each in sides.items() if each["kept"] and each["before"] is not None}
    created = [key for key, each in sides.items() if each["kept"] and each["before"] is None]
    unknown = [key for key, each in sides.items() if not each["kept"]]
    if output is Output.JSON:
        print_document({"restore": list(restored.values()), "delete": created, "unknown": unknown}, output)
    else:
        _print(restored.values(), created)
    for each in unknown:
        typer.echo(f"plait: note: what {each} was before is not known", err=True)
    raise typer.Exit(1 if unknown else 0)


def _later(to: ControlPlane, generation: int) -> list[Told]:
    loud = [each["generation"] for each in latest(to, after=generation) if not each["quiet"]]
    return [generation_of(to, number) for number in loud]


def _sides(undone: Iterable[Told]) -> dict[str, Mapping[str, Any]]:
    """Of each object what it was before the first of these generations that changed it."""
    found: dict[str, Mapping[str, Any]] = {}
    for told in undone:
        if told["more_objects"]:
            raise Failure(f"generation {told['generation']} changed so many objects that not all of them are kept")
        for each in told["objects"]:
            if not each["quiet"]:
                found.setdefault(each["object"], each)
    return found


def _warn_of_later(to: ControlPlane, first: Told, generation: int) -> None:
    mine = {each["object"] for each in first["objects"]}
    for told in latest(to, after=generation):
        for each in told["objects"]:
            if each["object"] in mine:
                text = f"{each['object']} has changed again in generation {told['generation']}: that is undone too"
                typer.echo(f"plait: note: {text}", err=True)


def _print(manifests: Iterable[Mapping[str, Any]], created: Iterable[str]) -> None:
    import yaml

    for name in created:
        # One line, whatever it is called: what comes after is applied.
        sys.stdout.write(f"# did not exist before, to be deleted: {' '.join(name.split())}\n")
    sys.stdout.write(yaml.safe_dump_all(list(manifests), sort_keys=False, allow_unicode=True, width=120))
