"""The command line of ``plait echo``."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from xds.local.echo.app import EchoApp
from xds.local.echo.identity import Identity
from xds.local.echo.servers import Servers, tls_context
from xds.local.echo.shape import Failures


def parser() -> argparse.ArgumentParser:
    """The options; each port option may be given several times, 0 takes a free port."""
    options = argparse.ArgumentParser("plait echo", description="Answer every request with who and what it was.")
    options.add_argument(
        "--http", type=int, action="append", default=[], metavar="PORT", help="HTTP/1, HTTP/2, websocket"
    )
    options.add_argument("--https", type=int, action="append", default=[], metavar="PORT", help="the same over TLS")
    options.add_argument("--grpc", type=int, action="append", default=[], metavar="PORT", help="gRPC, any method")
    options.add_argument("--tcp", type=int, action="append", default=[], metavar="PORT", help="lines over TCP")
    options.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="PEM files for --https")
    options.add_argument("--tls-ca", default="", metavar="FILE", help="PEM of who signs the clients' certificates")
    where = os.environ.get("ECHO_ADDRESS", "")
    options.add_argument("--address", default=where, help="address to listen on (default: $ECHO_ADDRESS, else all)")
    return options


async def serve(options: argparse.Namespace, identity: Identity) -> None:
    """Serve until SIGTERM or SIGINT; prints one line with the ports when all are open."""
    failures = Failures()
    servers = Servers(identity, EchoApp(identity, failures))
    host, opened, rpcs = options.address, [], list[Any]()
    for port in options.http:
        opened.append(f"http={await servers.http(host, port)}")
    for port in options.https:
        certificate, key = options.tls
        tls = tls_context(certificate, key, options.tls_ca)
        opened.append(f"https={await servers.http(host, port, tls)}")
    for port in options.tcp:
        opened.append(f"tcp={await servers.tcp(host, port)}")
    for port in options.grpc:
        from xds.local.echo import rpc

        server, bound = await rpc.serve(f"{host or '[::]'}:{port}", identity, failures)
        rpcs.append(server)
        opened.append(f"grpc={bound}")
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    print(f"echo: listening {' '.join(opened)}", flush=True)
    await end.wait()
    await asyncio.gather(servers.close(), *(server.stop(2) for server in rpcs))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with these arguments; the exit status: 2 when they make no sense or a port cannot be opened."""
    options = parser().parse_args(arguments)
    if options.https and not options.tls:
        print("plait echo: --https needs --tls CERT KEY", file=sys.stderr)
        return 2
    if not (options.http or options.https or options.grpc or options.tcp):
        options.http = [8080]
    try:
        asyncio.run(serve(options, Identity.of(os.environ)))
    except (OSError, RuntimeError) as error:
        print(f"plait echo: {error}", file=sys.stderr)
        return 2
    return 0
