"""``plait explain``: the whole way of a call, computed from manifests, whether it is allowed, and what decides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document
from xds.cli.place import Place, manifests_at

if TYPE_CHECKING:
    from xds.cli.manifests import Manifests
    from xds.failed.call import FailedCalls
    from xds.why.mesh import KnownMesh

app = typer_app()


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls what."""

    source: Annotated[
        str, typer.Argument(metavar="SRC", help="Who calls: NS/POD, NS/WORKLOAD, deploy/NAME, sa:NS/ACCOUNT or an IP.")
    ] = ""
    destination: Annotated[
        str,
        typer.Argument(
            metavar="DST[:PORT]|URL",
            help="What: a host as SRC would name it, NS/POD, an IP, or a URL.",
        ),
    ] = ""
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
    request_id: Annotated[
        str,
        typer.Option(
            "--request-id", metavar="ID", help="Instead of SRC and DST: a request that was refused, or failed."
        ),
    ] = ""


_FAILED: Final = 1


def command(call: Call, details: Details, place: Place, output: OutputOption = Output.TABLE) -> None:
    """What becomes of a call of SRC to DST, and which objects decide it.

    First what SRC's proxy does with it: whether it sees the host, which route holds and where that leads, with which
    TLS; then what the workload there says: mutual TLS, tokens, authorization. Of a gateway's pod as SRC, requests are
    those that come in at DST's port. Computed from the manifests, without a proxy. Then what failed between the two in
    the last minutes, as proxies told it, and why. Exit status: 0 allowed, answered by a route, or out of the mesh; 1
    denied, or nobody is reached; 2 usage.
    """
    from xds.cli.explained_text import print_answers
    from xds.view.graph import Graph
    from xds.why.question import Question, explained

    if details.request_id:
        _past(details.request_id, place, output)
    if not call.source or not call.destination:
        raise Failure("say who calls whom: plait explain SRC DST[:PORT]; or which request: --request-id ID")
    known = manifests_at(place)
    asked = Question(
        call.source,
        call.destination,
        call.method,
        call.path,
        details.namespace,
        tuple(details.header or ()),
        _token(details.jwt),
        details.plaintext,
        details.ip,
    )
    told = explained(asked, _mesh(known, place), Graph(known.snapshot))
    if output is Output.TABLE:
        print_answers(told)
    else:
        print_document(told, output)
    raise typer.Exit(_FAILED if told["verdict"] in ("denied", "unreachable") else 0)


def _past(request_id: str, place: Place, output: Output) -> NoReturn:
    """Tell of a request that was refused or failed, and what would become of it now."""
    import msgspec

    from xds.cli.failures import failures
    from xds.cli.past_request import made_again, once_more, past, print_past, unknown
    from xds.view.graph import Graph
    from xds.why.question import explained

    refusals, failed = past(place, request_id), failures(place, request_id=request_id)
    if not refusals and not failed:
        raise unknown(request_id)
    now = None
    asked = once_more(refusals[-1]) if refusals else made_again(failed, request_id)
    if asked is not None:
        try:
            known = manifests_at(place)
            now = explained(asked, _mesh(known, place), Graph(known.snapshot))
        except Failure as error:
            typer.echo(f"plait: note: what would become of it now cannot be told: {error}", err=True)
    if output is Output.TABLE:
        print_past(refusals, now, failed)
    else:
        print_document({"refusals": refusals, "failures": msgspec.to_builtins(failed), "now": now}, output)
    raise typer.Exit(_FAILED)


def _token(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"--jwt {text}: cannot be read: {error}") from None


def _mesh(found: Manifests, place: Place) -> KnownMesh:
    from xds.cli.failures import failures
    from xds.why.mesh import KnownMesh
    from xds.why.target import Candidate

    def failed(pods: Sequence[str], request_id: str) -> Sequence[FailedCalls]:
        if place.file and not request_id:  # what runs may be another mesh than that of the files
            return ()
        return failures(place, pods, request_id)

    return KnownMesh(
        found.snapshot,
        [Candidate(pod.namespace, pod.name, pod.workload, pod.workload_kind) for pod in found.pods],
        frozenset((pod.namespace, pod.name) for pod in found.pods if pod.router),
        {each.ref: each.origin for each in found.objects}.get,
        found.problems,
        found.made_up_addresses,
        failed,
    )


app.command()(grouped(command))
