"""``plait echo``: the test application."""

from __future__ import annotations

from typing import Annotated

import typer

from xds.cli.failure import Failure
from xds.cli.lazy import typer_app

app = typer_app()

_Ports = list[int] | None


@app.command()
def command(
    http: Annotated[_Ports, typer.Option("--http", metavar="PORT", help="HTTP/1.1, HTTP/2 and websockets.")] = None,
    https: Annotated[_Ports, typer.Option("--https", metavar="PORT", help="The same over TLS; needs --tls.")] = None,
    grpc: Annotated[_Ports, typer.Option("--grpc", metavar="PORT", help="gRPC, any method.")] = None,
    tcp: Annotated[_Ports, typer.Option("--tcp", metavar="PORT", help="Lines over TCP.")] = None,
    tls: Annotated[tuple[str, str] | None, typer.Option("--tls", metavar="CERT KEY", help="PEM files.")] = None,
    tls_ca: Annotated[
        str, typer.Option("--tls-ca", metavar="FILE", help="PEM of who signs the clients' certificates.")
    ] = "",
    address: Annotated[
        str, typer.Option("--address", metavar="IP", help="Where to listen (default: everywhere).")
    ] = "",
) -> None:
    """Answer every request with JSON: pod, namespace, version, method, path, headers, peer.

    Port options may be repeated; 0 takes a free port. Without any: --http 8080.
    """
    from xds.local.echo.main import main

    if https and not tls:
        raise Failure("--https needs --tls CERT KEY")
    arguments = [*(("--address", address) if address else ()), *(("--tls", *tls) if tls else ())]
    arguments += ["--tls-ca", tls_ca] if tls_ca else []
    for option, ports in (("--http", http), ("--https", https), ("--grpc", grpc), ("--tcp", tcp)):
        for port in ports or ():
            arguments += [option, str(port)]
    raise typer.Exit(main(arguments))
