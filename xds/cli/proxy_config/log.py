"""``plait proxy-config log``: how much each of a proxy's loggers says, and how much it is to say from now on."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote

import typer

from xds.cli.failure import Failure
from xds.cli.output import print_table
from xds.cli.proxy_config.source import From, envoy

_COLUMNS: Final = {"LOGGER": "logger", "LEVEL": "level"}
_LEVELS: Final = ("trace", "debug", "info", "warning", "error", "critical", "off")
_SPELLED: Final = {"warn": "warning", "none": "off"}
_USUAL: Final = "warning"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be changed; nothing where all is left out."""

    level: Annotated[
        str,
        typer.Option("--level", metavar="LEVEL|LOGGER:LEVEL,...", help=f"From now on; one of {', '.join(_LEVELS)}."),
    ] = ""
    reset: Annotated[bool, typer.Option("-r", "--reset", help=f"All loggers to {_USUAL}.")] = False


def command(proxy: From, wanted: Wanted) -> None:
    """The levels of a proxy's loggers; with --level or --reset they are changed first, until the proxy restarts."""
    if wanted.level and wanted.reset:
        raise Failure("--reset excludes --level")
    changes = [*paths(_USUAL if wanted.reset else wanted.level)]
    own = envoy(proxy)
    levels = _told(own.post("/logging"), own.name)
    unknown = [name for name, _ in changes if name and name not in levels]
    if unknown:
        near = difflib.get_close_matches(unknown[0], levels, n=1)
        raise Failure(f"the proxy has no logger {unknown[0]!r}{f'; did you mean {near[0]}?' if near else ''}")
    for name, level in changes:
        levels = _told(own.post(f"/logging?{quote(name or 'level')}={level}"), own.name)
    rows = [{"logger": name, "level": level} for name, level in sorted(levels.items())]
    print_table(_COLUMNS, rows, proxy.output)


def paths(text: str) -> Iterator[tuple[str, str]]:
    """Logger and level of each change in ``debug`` or ``http:debug,upstream:info``; ``""`` is all. Errors: Failure."""
    for part in text.split(",") if text else ():
        name, _, level = part.strip().rpartition(":")
        level = _SPELLED.get(level.lower(), level.lower())
        if level not in _LEVELS:
            raise Failure(f"--level {part}: must be one of {', '.join(_LEVELS)}, or LOGGER:LEVEL")
        yield name, level


def _told(answer: tuple[int, bytes], name: str) -> Mapping[str, str]:
    status, body = answer
    if status != 200:
        raise Failure(f"{name} answered /logging with {status}")
    pairs = (line.split(":") for line in body.decode(errors="replace").splitlines() if line.startswith(" "))
    return {logger.strip(): level.strip() for logger, level, *_ in pairs}
