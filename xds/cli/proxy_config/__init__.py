"""``plait proxy-config``: what a proxy has; one file a sub-command."""

from __future__ import annotations

from typing import Final

import typer

from xds.cli.lazy import show_help, typer_app
from xds.cli.options import grouped
from xds.cli.proxy_config import (
    bootstrap,
    clusters,
    endpoints,
    everything,
    extensions,
    listeners,
    log,
    rootca_compare,
    routes,
    secrets,
)

# The name in the help, then the other spellings that istioctl's users type.
_COMMANDS: Final = (
    (clusters.command, "cluster", "clusters", "c"),
    (listeners.command, "listener", "listeners", "l"),
    (routes.command, "route", "routes", "r"),
    (endpoints.command, "endpoint", "endpoints", "ep"),
    (secrets.command, "secret", "secrets", "s"),
    (extensions.command, "ecds", "ec"),
    (bootstrap.command, "bootstrap", "b"),
    (log.command, "log", "o"),
    (everything.command, "all", "a"),
    (rootca_compare.command, "rootca-compare", "rc"),
)


def _app() -> typer.Typer:
    group = typer_app(help="What a proxy has: its own Envoy's answer, else what it was sent.")
    group.callback(invoke_without_command=True)(show_help)
    for command, name, *aliases in _COMMANDS:
        readable = grouped(command)
        group.command(name)(readable)
        for alias in aliases:
            group.command(alias, hidden=True)(readable)
    return group


app = _app()
