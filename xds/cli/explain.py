"""``plait explain``: whether one workload may call another, computed from manifests, and what decides it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document
from xds.cli.where import Where

if TYPE_CHECKING:
    from xds.cli.manifests import Manifests

app = typer_app()


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls what."""

    source: Annotated[
        str, typer.Argument(metavar="SRC", help="Who calls: NS/POD, NS/WORKLOAD, deploy/NAME, sa:NS/ACCOUNT or an IP.")
    ]
    destination: Annotated[
        str, typer.Argument(metavar="DST[:PORT]", help="What: a service as SRC would name it, NS/POD, or an IP.")
    ]
    method: Annotated[str, typer.Argument(metavar="METHOD", help="The HTTP method; POST for gRPC.")] = "GET"
    path: Annotated[str, typer.Argument(metavar="PATH", help="The path; /package.Service/Method for gRPC.")] = "/"


@dataclass(frozen=True, slots=True)
class Details:
    """What else the request has."""

    namespace: Annotated[str, typer.Option("-n", "--namespace", metavar="NS", help="The namespace of SRC.")] = ""
    header: Annotated[
        list[str] | None, typer.Option("-H", "--header", metavar="NAME:VALUE", help="A header; may be repeated.")
    ] = None
    jwt: Annotated[str, typer.Option("--jwt", metavar="TOKEN|@FILE", help="A bearer token.")] = ""
    plaintext: Annotated[bool, typer.Option("--plaintext", help="As if SRC had no sidecar.")] = False
    ip: Annotated[str, typer.Option("--ip", metavar="ADDRESS", help="The address of SRC, if not that of its pod.")] = ""


@dataclass(frozen=True, slots=True)
class Place(Where):
    """Where the configuration is."""

    file: Annotated[
        list[Path] | None,
        typer.Option("-f", "--file", help="A file or directory of manifests; may be repeated. Default: what runs."),
    ] = None


_DENIED: Final = 1
_METHOD: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def command(call: Call, details: Details, place: Place, output: OutputOption = Output.TABLE) -> None:
    """Whether SRC may call DST, and which objects decide it: identity, mutual TLS, tokens, authorization.

    Computed from the manifests, without a proxy. Exit status: 0 allowed, 1 denied, 2 usage.
    """
    from xds.cli.answers import answers
    from xds.cli.explained import document, print_answers
    from xds.cli.parties import Parties
    from xds.view.graph import Graph

    known = _manifests(place)
    graph = Graph(known.snapshot)
    parties = Parties(known, graph, details.namespace)
    source = parties.source(call.source, plaintext=details.plaintext, address=details.ip)
    destination = parties.destination(call.destination, source.caller)
    if not destination.arrivals:
        raise Failure(f"{call.destination}: nothing answers there, as no pod is behind {destination.service}")
    request = _request(call, details, f"{destination.host}:{destination.port}".removesuffix(":80"))
    found = answers(graph, source.caller, destination, request)
    told = document(source, destination, found, known)
    if output is Output.TABLE:
        print_answers(told)
    else:
        print_document(told, output)
    raise typer.Exit(0 if told["verdict"] != "denied" else _DENIED)


# -- the request


def _request(call: Call, details: Details, host: str) -> HttpRequest:
    from xds.explain.request import HttpRequest

    if not _METHOD.fullmatch(call.method):
        raise Failure(f"{call.method!r} is no method; METHOD comes before PATH, as in GET /")
    if not call.path.startswith("/") and call.path != "*":
        raise Failure(f"{call.path}: a path begins with /")
    headers = [_header(text) for text in details.header or ()]
    token = _token(details.jwt)
    if token:
        headers.append(("authorization", f"Bearer {token}"))
    named = [value for name, value in headers if name in {"host", ":authority"}]
    others = tuple(pair for pair in headers if pair[0] not in {"host", ":authority"})
    return HttpRequest(call.method.upper(), call.path, named[-1] if named else host, others)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":") if not text.startswith(":") else _pseudo(text)
    if not colon or not name.strip():
        raise Failure(f"-H {text!r}: must be NAME:VALUE")
    return name.strip().lower(), value.strip()


def _pseudo(text: str) -> tuple[str, str, str]:
    name, colon, value = text[1:].partition(":")
    return f":{name}", colon, value


def _token(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"--jwt {text}: cannot be read: {error}") from None


# -- the manifests


def _manifests(place: Place) -> Manifests:
    from xds.cli.in_force import in_files, in_force
    from xds.cli.manifests import together
    from xds.settings import SettingError, Settings

    try:
        settings = Settings.resolve(os.environ, {"manifests": tuple(place.file or ())})
    except SettingError as error:
        raise Failure(str(error)) from None
    known = in_files(place.file, settings) if place.file else in_force(place, settings)
    return together(known.objects, known.problems, settings, known.addresses)


if TYPE_CHECKING:
    from xds.explain.request import HttpRequest

app.command()(grouped(command))
