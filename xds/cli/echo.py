"""``plait echo``: the test application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.options import grouped

app = typer_app()

_Ports = list[int] | None


@dataclass(frozen=True, slots=True)
class Tls:
    """How it proves who it is, and who its clients must be."""

    tls: Annotated[tuple[str, str] | None, typer.Option("--tls", metavar="CERT KEY", help="PEM files.")] = None
    tls_ca: Annotated[
        str, typer.Option("--tls-ca", metavar="FILE", help="PEM of who signs the clients' certificates.")
    ] = ""


def command(
    proof: Tls,
    http: Annotated[_Ports, typer.Option("--http", metavar="PORT", help="HTTP/1.1, HTTP/2 and websockets.")] = None,
    https: Annotated[_Ports, typer.Option("--https", metavar="PORT", help="The same over TLS; needs --tls.")] = None,
    grpc: Annotated[_Ports, typer.Option("--grpc", metavar="PORT", help="gRPC, any method.")] = None,
    tcp: Annotated[_Ports, typer.Option("--tcp", metavar="PORT", help="Lines over TCP.")] = None,
    address: Annotated[
        str, typer.Option("--address", metavar="IP", help="Where to listen (default: everywhere).")
    ] = "",
) -> None:
    """Answer every request with JSON: pod, namespace, version, method, path, headers, peer.

    Port options may be repeated; 0 takes a free port. Without any: --http 8080.
    """
    from xds.local.echo.main import main

    if https and not proof.tls:
        raise Failure("--https needs --tls CERT KEY")
    arguments = [*(("--address", address) if address else ()), *(("--tls", *proof.tls) if proof.tls else ())]
    arguments += ["--tls-ca", proof.tls_ca] if proof.tls_ca else []
    for option, ports in (("--http", http), ("--https", https), ("--grpc", grpc), ("--tcp", tcp)):
        for port in ports or ():
            arguments += [option, str(port)]
    raise typer.Exit(main(arguments))


app.command()(grouped(command))
