"""How many connections are open now on listeners of running Envoys."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import typer

from xds.cli.control_plane import Pages
from xds.cli.failure import Failure, Unreachable
from xds.cli.sidecars import envoys
from xds.cli.where import Mesh

_STATISTICS: Final = "/stats?format=json&filter=%5Elistener%5C..*downstream_cx_active$"
_NAME: Final = re.compile(r"listener\.(.+)\.downstream_cx_active")
_AT_ONCE: Final = 8

OpenConnections = Mapping[str, Mapping[str, int]]
"""By proxy (``shop/web-1``) and by the name that Envoy counts a listener under (``0.0.0.0_80``)."""


def open_connections(of: Mesh, proxies: Collection[str]) -> OpenConnections:
    """The connections that are open at these proxies; who does not answer is left out, and told of on stderr."""
    wanted = frozenset(proxies)
    try:
        known = {f"{each.namespace}/{each.name}": pages for each, pages in envoys(of).items()} if wanted else {}
    except Failure as error:
        typer.echo(f"plait: note: open connections are not known: {error}", err=True)
        return {}
    asked = {name: pages for name, pages in known.items() if name in wanted}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        told = dict(zip(asked, pool.map(_counted, asked.values()), strict=True))
    return {name: counts for name, counts in told.items() if counts is not None}


def _counted(pages: Pages) -> dict[str, int] | None:
    try:
        status, body = pages.get(_STATISTICS)
        statistics = json.loads(body)["stats"] if status == 200 else None
    except (Unreachable, Failure, ValueError, KeyError) as error:
        typer.echo(f"plait: note: the connections of {pages.name} are not known: {error}", err=True)
        return None
    found: dict[str, int] = {}
    for each in statistics or ():
        name = _NAME.fullmatch(str(each.get("name", "")))
        if name is not None:
            found[name.group(1)] = int(each.get("value", 0))
    return found
