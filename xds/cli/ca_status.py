"""``plait ca status``: the certificate authority of a running control plane, and what holds a rotation of its root."""

from __future__ import annotations

import typer

from xds.cli.control_plane import control_plane
from xds.cli.failure import Failure
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document, stdout
from xds.cli.where import Where


@grouped
def status(where: Where, output: OutputOption = Output.TABLE) -> None:
    """Where the CA of a running control plane stands: who signs, which roots are trusted, what holds a rotation.

    Exit status 1 when something holds it, or needs attention.
    """
    asked = control_plane(where)
    told = [each for each in asked.ask_each("/debug/ca").values() if each is not None]
    if not told:
        raise Failure(f"the control plane at {asked.name} has no certificate authority")
    found = told[0]
    for word in ("blocked_by", "warnings"):  # each replica knows what its own proxies hold
        found[word] = list(dict.fromkeys(sentence for each in told for sentence in each[word]))
    if output is not Output.TABLE:
        print_document(found, output)
    else:
        console = stdout()
        console.print(f"phase:  {found['phase']} since {_short(found['since'])}", soft_wrap=True)
        console.print(f"signer: {found['signer'][:12]}, until {_short(found['not_after'])}", soft_wrap=True)
        console.print(f"roots:  {', '.join(root[:12] for root in found['roots'])}", soft_wrap=True)
        for sentence in found["blocked_by"]:
            console.print(f"held by: {sentence}", style="yellow", soft_wrap=True)
        for sentence in found["warnings"]:
            console.print(f"warning: {sentence}", style="yellow", soft_wrap=True)
    raise typer.Exit(1 if found["blocked_by"] or found["warnings"] else 0)


def _short(moment: str) -> str:
    return moment.partition(".")[0].partition("+")[0] + "Z"
