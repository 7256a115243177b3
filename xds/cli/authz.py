"""``plait authz``: authorization. ``suggest`` writes the least-privilege policies for the traffic that was seen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from xds.audit.suggest import Suggestion, suggestions
from xds.cli.control_plane import control_plane
from xds.cli.failure import Failure
from xds.cli.lazy import show_help, typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document
from xds.cli.sidecars import known_workloads, readings
from xds.cli.where import Installed
from xds.decoders.build import Builder
from xds.decoders.shape.documents import split
from xds.decoders.shape.manifests import read_document
from xds.model.problem import Severity
from xds.slices import at_once

app = typer_app(help="Authorization: policies from what was seen.")
app.callback(invoke_without_command=True)(show_help)


@app.command()
@grouped
def suggest(
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="The namespace whose workloads are called.")],
    where: Installed,
    output: OutputOption = Output.YAML,
) -> None:
    """The AuthorizationPolicies that allow what was seen in a namespace since its sidecars started, and nothing else.

    What was refused does not count as seen. A TCP connection counts when it has ended, or was open for a minute.
    Methods, ports and identities are told apart; paths are not. An Envoy keeps 2,000 such counters and says how much
    came beyond.
    """
    workloads = known_workloads(control_plane(where))
    if namespace not in {each.namespace for each in workloads.all}:
        raise Failure(f"no workload is in namespace {namespace}")
    found = suggestions(namespace, readings(where, namespace), workloads)
    text = "---\n".join(each.text() for each in found)
    _check(text, found)
    if output is Output.JSON:
        print_document([each.manifest() for each in found if each.rules], output)
        return
    sys.stdout.write(text)


def _check(text: str, found: Sequence[Suggestion]) -> None:
    """Errors: Failure when we would not take what we suggest, or would read it otherwise; a bug of ours."""
    builder, refs = Builder(), set[str]()
    for document in split(text, "suggested.yaml"):
        decoded = read_document(document)
        at_once(builder.apply([(each.ref, each.struct) for each in decoded.objects]))
        refs.update(each.ref.name for each in decoded.objects)
        for problem in (*decoded.problems, *builder.problems):
            if problem.severity is Severity.ERROR:
                raise Failure(f"a bug in plait: what it suggests is not valid: {problem}")
    if refs != {each.manifest()["metadata"]["name"] for each in found if each.rules}:
        raise Failure("a bug in plait: what it suggests is not what it reads")
