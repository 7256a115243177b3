"""``plait explain``: the whole way of a call, computed from manifests, whether it is allowed, and what decides it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
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
    from xds.cli.parties import Destination
    from xds.explain.request import HttpRequest

app = typer_app()


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls what."""

    source: Annotated[
        str, typer.Argument(metavar="SRC", help="Who calls: NS/POD, NS/WORKLOAD, deploy/NAME, sa:NS/ACCOUNT or an IP.")
    ]
    destination: Annotated[
        str,
        typer.Argument(
            metavar="DST[:PORT]|URL",
            help="What: a host as SRC would name it, NS/POD, an IP, or a URL.",
        ),
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


_FAILED: Final = 1
_METHOD: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def command(call: Call, details: Details, place: Place, output: OutputOption = Output.TABLE) -> None:
    """What becomes of a call of SRC to DST, and which objects decide it.

    First what SRC's proxy does with it: whether it sees the host, which route holds and where that leads, with which
    TLS; then what the workload there says: mutual TLS, tokens, authorization. Of a gateway's pod as SRC, requests are
    those that come in at DST's port. Computed from the manifests, without a proxy. Exit status: 0 allowed, answered by
    a route, or out of the mesh; 1 denied, or nobody is reached; 2 usage.
    """
    from xds.cli.answers import answers, arriving, way_of
    from xds.cli.explained import Told, document
    from xds.cli.explained_text import print_answers
    from xds.cli.parties import Parties
    from xds.view.graph import Graph

    known = _manifests(place)
    graph = Graph(known.snapshot)
    parties = Parties(known, graph, details.namespace)
    source = parties.source(call.source, plaintext=details.plaintext, address=details.ip)
    host, path, tls = _split_url(call.destination, call.path)
    destination = parties.destination(host, source.caller, tls=tls)
    request = _request(replace(call, path=path), details, _authority(destination))
    way = way_of(graph, source.caller, destination, request)
    comes_to = arriving(graph, source.caller, destination, way)
    if way is None and not comes_to:
        behind = (
            f"as no pod is behind {destination.service}" if destination.service is not None else "as nobody knows it"
        )
        raise Failure(f"{call.destination}: nothing answers there, {behind}")
    found = answers(graph, source.caller, comes_to, request)
    told = document(Told(source, destination, found, way), known)
    if output is Output.TABLE:
        print_answers(told)
    else:
        print_document(told, output)
    raise typer.Exit(_FAILED if told["verdict"] in ("denied", "unreachable") else 0)


def _split_url(text: str, path: str) -> tuple[str, str, bool | None]:
    """What is called of a URL, its path (else ``path``), and whether it says https; None of what is no URL."""
    scheme, found, rest = text.partition("://")
    if not found:
        return text, path, None
    if scheme not in ("http", "https"):
        raise Failure(f"{text}: must be a host, NS/POD, an IP, or a URL of http or https")
    host, slash, asked = rest.partition("/")
    return host, slash + asked if slash else path, scheme == "https"


def _authority(destination: Destination) -> str:
    host = f"[{destination.host}]" if ":" in destination.host else destination.host
    return f"{host}:{destination.port}".removesuffix(":443" if destination.tls else ":80")


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
    from xds.model.credential import unexamined
    from xds.settings import SettingError, Settings

    try:
        settings = Settings.resolve(os.environ, {"manifests": tuple(place.file or ())})
    except SettingError as error:
        raise Failure(str(error)) from None
    known = in_files(place.file, settings) if place.file else in_force(place, settings)
    if not known.stand_ins:
        return together(known.objects, known.problems, settings, known.addresses)
    objects = (*known.objects, *known.stand_ins)
    return together(objects, known.problems, settings, known.addresses, unexamined)


app.command()(grouped(command))
