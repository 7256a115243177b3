"""``plait proxy-config ecds``: the filters that a proxy discovers by name."""

from __future__ import annotations

from typing import Final

from xds.cli.proxy_config.dump import ProxyConfig
from xds.cli.proxy_config.source import From, read
from xds.cli.proxy_config.view import Line, View, show

_COLUMNS: Final = {"ECDS NAME": "name", "TYPE": "type"}


def command(proxy: From) -> None:
    """The discovered filters (ECDS) of a proxy."""
    show(extensions(read(proxy)), proxy.output)


def extensions(config: ProxyConfig) -> View:
    """The table of discovered filters."""
    lines = []
    for entry in config.extensions:
        url = str(entry.resource.get("typed_config", {}).get("@type", ""))
        lines.append(Line({"name": entry.name, "type": url.rpartition("/")[2]}, entry.resource))
    return View(_COLUMNS, tuple(lines))
