"""``plait graph``: who calls whom, as text, for Graphviz, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final

import typer

from xds.cli.cells import milliseconds, per_second, percent
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, print_document, stdout
from xds.cli.traffic import Within, source
from xds.cli.where import Where
from xds.telemetry.traffic import Json, Traffic

app = typer_app()

_LOCKS: Final = {"mutual_tls": "mTLS", "none": "plaintext", "unknown": ""}
_SHAPES: Final = {"workload": "box", "external": "ellipse", "unknown": "diamond"}
_BAD: Final = 0.05


class Form(StrEnum):
    """The forms of ``-o``."""

    TEXT = "text"
    DOT = "dot"
    JSON = "json"


@app.command()
@grouped
def command(
    within: Within,
    where: Where,
    output: Annotated[Form, typer.Option("-o", "--output", help="How to print it; dot is for Graphviz.")] = Form.TEXT,
) -> None:
    """Who calls whom: what sidecars have told within the window, each call once.

    Of callers without a sidecar the identity is known where they prove one; the others are "unknown".
    """
    found = source(where, within)()
    if output is Form.JSON:
        print_document(found.plain(), Output.JSON)
    elif output is Form.DOT:
        typer.echo("\n".join(dot(found)))
    elif found.edges:
        for line in text(found):
            stdout().print(line, soft_wrap=True)
    else:
        typer.echo(f"no sidecar has told of a call within the last {within.window}")


def text(found: Traffic) -> Iterator[str]:
    """A line for each caller, and below it one for each edge."""
    source = ""
    for edge in found.edges:
        if edge["source"] != source:
            source = edge["source"]
            yield _named(found, source)
        parts = (edge["service"], edge["protocol"], _LOCKS[edge["security"]], *_told(edge))
        yield f"  -> {_named(found, edge['destination'])}  {'  '.join(part for part in parts if part)}"


def dot(found: Traffic) -> Iterator[str]:
    """Graphviz's language; plaintext is dashed, edges on which more than 5 % fail are red."""
    yield "digraph mesh {"
    yield "  rankdir=LR;"
    for name, node in found.nodes.items():
        yield f"  {_quoted(name)} [label={_quoted(_named(found, name))}, shape={_SHAPES[node['kind']]}];"
    for edge in found.edges:
        looks = [f"label={_quoted(chr(10).join((edge['protocol'], *_told(edge))))}"]
        if edge["security"] == "none":
            looks.append("style=dashed")
        if edge["signals"]["error_share"] > _BAD:
            looks.append("color=red")
        yield f"  {_quoted(edge['source'])} -> {_quoted(edge['destination'])} [{', '.join(looks)}];"
    yield "}"


def _named(found: Traffic, name: str) -> str:
    version = found.nodes[name]["version"]
    return f"{name} ({version})" if version else name


def _told(edge: Json) -> Iterator[str]:
    signals = edge["signals"]
    if edge["protocol"] == "tcp":
        yield f"{signals['connections_opened']} opened"
        yield f"{signals['connections_open']} open"
        return
    yield f"{per_second(signals['rate'])}/s"
    if signals["errors_5xx"]:
        yield f"{percent(signals['errors_5xx'], signals['requests'])} 5xx"
    if signals["errors_4xx"]:
        yield f"{percent(signals['errors_4xx'], signals['requests'])} 4xx"
    if signals["p95_ms"] is not None:
        yield f"p95 {milliseconds(signals['p95_ms'])}"


def _quoted(words: str) -> str:
    """As Graphviz and JSON both write strings."""
    return json.dumps(words, ensure_ascii=False)
