"""``plait authz``: authorization. ``suggest`` writes the least-privilege policies for the traffic that was seen."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from xds.audit.suggest import suggestions
from xds.cli.control_plane import control_plane
from xds.cli.failure import Failure
from xds.cli.istioctl import here
from xds.cli.lazy import show_help, typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document
from xds.cli.sidecars import known_workloads, readings
from xds.cli.where import Installed

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
    from xds.cli.suggested import check_suggested

    workloads = known_workloads(control_plane(where))
    if namespace not in {each.namespace for each in workloads.all}:
        raise Failure(f"no workload is in namespace {namespace}")
    found = suggestions(namespace, readings(where, namespace), workloads)
    text = "---\n".join(each.text() for each in found)
    check_suggested(text, found)
    if output is Output.JSON:
        print_document([each.manifest() for each in found if each.rules], output)
        return
    sys.stdout.write(text)


@app.command(hidden=True)
def check(pod: Annotated[str, typer.Argument(metavar="POD")] = "POD") -> None:
    """As istioctl calls it."""
    instead = f"`plait describe pod {pod}` lists the policies that hold for it, `plait explain SRC DST` judges a call"
    raise Failure(here("authz check", instead))
