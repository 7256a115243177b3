"""``plait serve``: the control plane."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xds.cli import collector
from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.until_signalled import run_until_signalled

if TYPE_CHECKING:
    from xds.settings import Settings
    from xds.sources.changes import Source

app = typer_app()


@dataclass(frozen=True, slots=True)
class From:
    """What is read."""

    manifests: Annotated[
        list[Path] | None,
        typer.Option("--manifests", metavar="DIR", help="Watch the manifests in this directory; may be repeated."),
    ] = None
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", metavar="FILE", help="Watch the cluster of this kubeconfig.")
    ] = None
    in_cluster: Annotated[
        bool | None, typer.Option("--in-cluster", help="Watch the cluster that this runs in.", show_default=False)
    ] = None


@dataclass(frozen=True, slots=True)
class At:
    """Where it is served."""

    xds: Annotated[str | None, typer.Option("--xds", metavar="ADDR", help="xDS over TLS. Default: 0.0.0.0:15012.")] = (
        None
    )
    xds_plaintext: Annotated[
        str | None, typer.Option("--xds-plaintext", metavar="ADDR", help="xDS without TLS. Default: off.")
    ] = None
    http: Annotated[
        str | None,
        typer.Option("--http", metavar="ADDR", help="Health, metrics and debug pages. Default: 127.0.0.1:15014."),
    ] = None
    webhook: Annotated[
        str | None, typer.Option("--webhook", metavar="ADDR", help="Webhooks over TLS. Default: off.")
    ] = None


def command(
    read: From,
    at: At,
    log_level: Annotated[str, typer.Option("--log-level", help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the control plane: read manifests or a cluster, serve xDS. SIGTERM and Ctrl-C end it in order.

    Each option has a variable in the environment, PLAIT_XDS_PLAINTEXT for --xds-plaintext; the option wins.
    """
    from xds.events import set_up
    from xds.settings import SettingError, Settings

    flags = {**asdict(read), **asdict(at)}
    flags["manifests"] = tuple(read.manifests) if read.manifests else None
    try:
        settings = Settings.resolve(os.environ, flags)
    except SettingError as error:
        raise Failure(str(error)) from None
    sources = _sources(settings)
    _check_addresses(at, settings)
    if log_level not in {"debug", "info", "warning", "error"}:
        raise Failure(f"--log-level {log_level}: must be debug, info, warning or error")
    set_up(log_level)
    run_until_signalled(_serve(settings, sources))


def _check_addresses(at: At, settings: Settings) -> None:
    """Errors: Failure for what this version cannot serve, rather than silence."""
    if settings.webhook:
        raise Failure("--webhook: this version has no webhooks")
    if at.xds or not settings.xds_plaintext:
        raise Failure("this version serves xDS without TLS only: --xds-plaintext ADDR")


def _sources(settings: Settings) -> Sequence[Source]:
    from xds.sources.files import FileSource

    if settings.kubeconfig or settings.in_cluster:
        raise Failure("this version reads manifests only: --manifests DIR")
    if not settings.manifests:
        raise Failure("say what to serve: --manifests DIR")
    for path in settings.manifests:
        if not path.exists():
            raise Failure(f"{path}: there is no such file or directory")
    return [FileSource(path, size_limit_bytes=settings.manifest_size_limit) for path in settings.manifests]


async def _serve(settings: Settings, sources: Sequence[Source]) -> None:
    """Serve for ever."""
    from xds.app import ControlPlane

    collector.relax()
    async with ControlPlane(settings, sources) as control_plane:
        collector.settle()
        await control_plane.wait()


app.command()(grouped(command))
