"""``plait install``: the control plane into a cluster; ``plait install print``: the manifests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xds.cli.durations import duration
from xds.cli.failure import Failure
from xds.cli.installation import Into
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output

if TYPE_CHECKING:
    from xds.cli.installation import Installation
    from xds.install.objects import Json
    from xds.install.values import Values


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is installed."""

    values: Annotated[
        Path | None,
        typer.Option("-f", "--values", metavar="FILE", help="Values, as in install/chart/values.yaml; - is stdin."),
    ] = None
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="One value, after the file's; may be repeated."),
    ] = None
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="REV", help="Which of several control planes. Default: default.")
    ] = None
    namespace: Annotated[
        str | None, typer.Option("-n", "--namespace", metavar="NS", help="Where. Default: istio-system.")
    ] = None

    def read(self) -> Values:
        """The values. Errors: Failure."""
        from xds.install import values as of

        named = {"revision": self.revision, "namespace": self.namespace}
        try:
            given = of.merge(_file(self.values), of.of_assignments(self.assignments or ()))
            values = of.read({**given, **{name: text for name, text in named.items() if text is not None}})
        except of.ValuesError as error:
            raise Failure(f"values: {error}") from None
        _judge_mesh_config(values)
        return values


def _judge_mesh_config(values: Values) -> None:
    """Say what is wrong with ``meshConfig`` before a control plane falls back from it. Errors: Failure."""
    from xds.decoders.mesh_config import decode
    from xds.decoders.row import Authored
    from xds.decoders.shape.decode import Place, decode_object
    from xds.kinds.mesh_config import MeshConfig
    from xds.model.problem import Problems, Severity
    from xds.model.refs import Origin

    head = {"apiVersion": MeshConfig.KIND.api_versions[0], "kind": MeshConfig.KIND.name, "metadata": {}}
    decoded, found = decode_object({**head, "spec": dict(values.mesh_config)}, Place(Origin(""))), Problems()
    for each in decoded.objects:
        tuple(decode(Authored(each.ref, each.struct, found)))
    problems = (*decoded.problems, *found)
    told = [
        (each.severity, f"values: meshConfig{each.at.dotted.removeprefix('spec')}: {each.message}") for each in problems
    ]
    errors = [text for severity, text in told if severity is Severity.ERROR]
    if errors:
        raise Failure("; ".join(errors))
    for severity, text in told:
        if severity is Severity.WARNING:
            typer.echo(f"plait: warning: {text}", err=True)


def install(
    called: typer.Context,
    chosen: Chosen,
    into: Into,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask the API server what would change, and change nothing.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Return when the control plane serves.")] = True,
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="How long to wait.")] = "5m",
) -> None:
    """Put the control plane into a cluster, or bring what is there to these values.

    What others have set on the objects stays. Definitions of Istio's kinds that are there already are left alone.
    """
    if called.invoked_subcommand is not None:
        if any(source.name != "DEFAULT" for source in map(called.get_parameter_source, called.params) if source):
            raise Failure("options of `plait install print` stand after the word print")
        return
    from xds.install.manifests import manifests

    values, patience_s = chosen.read(), duration(timeout, "--timeout").total_seconds()
    cluster = into.open()
    if not dry_run:
        _definitions(into)
    objects = manifests(values)
    _apply(cluster, objects, values, dry_run=dry_run)
    _prune(cluster, objects, values, dry_run=dry_run)
    if wait and not dry_run:
        deployment = next(each for each in objects if each["kind"] == "Deployment")
        cluster.wait(deployment, patience_s)
        typer.echo(f"revision {values.revision} is available")


def print_(
    chosen: Chosen,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to print them.")] = Output.YAML,
) -> None:
    """Print the manifests, without the definitions of `plait crds print`."""
    import json

    from xds.install.manifests import manifests
    from xds.install.text import yaml_text

    objects = manifests(chosen.read())
    if output is Output.YAML:
        typer.echo(yaml_text(objects), nl=False)
        return
    typer.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}, indent=2, ensure_ascii=False))


def _apply(cluster: Installation, objects: Sequence[Json], values: Values, *, dry_run: bool) -> None:
    """Apply all, and say what became of each. A webhook that a tag has given to another revision stays there."""
    from xds.cli.installation import shown
    from xds.install.in_use import moved_away
    from xds.model.injection import REVISION

    mark = " (dry run)" if dry_run else ""
    missing = set[str]()
    for each, name in zip(objects, shown(objects), strict=True):
        metadata = each["metadata"]
        if metadata.get("namespace") in missing:
            typer.echo(f"{name} created{mark}")
            continue
        there = cluster.get(each["apiVersion"], each["kind"], metadata["name"]) if "webhooks" in each else None
        if there is not None and moved_away(there, values.revision):
            typer.echo(f"{name} left alone: a tag has given it to revision {there['metadata']['labels'][REVISION]}")
            continue
        outcome = cluster.apply(each, dry_run=dry_run)
        if dry_run and outcome == "created" and each["kind"] == "Namespace":
            missing.add(metadata["name"])
        typer.echo(f"{name} {outcome}{mark}")


def _prune(cluster: Installation, objects: Sequence[Json], values: Values, *, dry_run: bool) -> None:
    """Delete what earlier values of this revision have made and these do not."""
    from xds.cli.installation import selector_of, shown
    from xds.install.manifests import KINDS
    from xds.install.objects import TAG
    from xds.model.injection import REVISION

    wanted = set(shown(objects))
    selector = f"{selector_of(values.namespace, **{REVISION: values.revision})},!{TAG}"
    there = [each for api_version, kind in reversed(KINDS) for each in cluster.list(api_version, kind, selector)]
    for each, name in zip(there, shown(there), strict=True):
        if name in wanted:
            continue
        if not dry_run:
            cluster.delete(each)
        typer.echo(f"{name} deleted{' (dry run)' if dry_run else ''}")


def _definitions(into: Into) -> None:
    """Write the definitions of Istio's kinds, those that are not there or are ours, and wait until they are served."""
    from xds.cli.crds_apply import Definitions
    from xds.kinds.crds.definitions import all_crds

    cluster = Definitions(into.file, into.context)
    applied = [cluster.apply(definition, force=False) for definition in all_crds()]
    for each in applied:
        cluster.wait(each.name)
        typer.echo(f"CustomResourceDefinition {each}")


def _file(path: Path | None) -> Mapping[str, Any]:
    """The values of a file. Errors: Failure when it is none of values."""
    import sys

    import yaml

    if path is None:
        return {}
    text = sys.stdin.read() if str(path) == "-" else path.read_text()
    try:
        found = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise Failure(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise Failure(f"{path}: must be a mapping of values")
    return found


def _app() -> typer.Typer:
    group = typer_app(help="Put the control plane into a cluster.")
    group.callback(invoke_without_command=True)(grouped(install))
    group.command("print")(grouped(print_))
    return group


app = _app()
