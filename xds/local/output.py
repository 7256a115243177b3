"""What pods and proxies write, line by line, and its way to the terminal: prefixed and coloured by pod."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from xds.local.pods import PodKey

_CHUNK: Final = 1 << 16
# A line longer than this is cut into several, so that a program that never ends its line cannot fill the memory.
_LONGEST: Final = 1 << 16
_COLOURS: Final = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)


@dataclass(frozen=True, slots=True)
class OutputLine:
    """One line of output, without its end; ``container`` is ``envoy`` for the sidecar, ``plait`` for our own words."""

    pod: PodKey
    container: str
    text: str


Sink = Callable[[OutputLine], None]


class Writable(Protocol):
    """What takes text, as files do."""

    def write(self, text: str, /) -> object:
        """Take it."""


async def copy_lines(stream: asyncio.StreamReader, pod: PodKey, container: str, sink: Sink) -> None:
    """Hand each line of the stream to the sink, until the stream ends."""
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST:
            lines, rest = [*lines, rest], b""
        for line in lines:
            sink(OutputLine(pod, container, line.decode(errors="replace").rstrip("\r")))
    if rest:
        sink(OutputLine(pod, container, rest.decode(errors="replace")))


def console(out: Writable, *, colour: bool) -> Sink:
    """A sink that writes ``pod | text`` lines, ``pod/container`` where it is not the application.

    It is called in the event loop: ``out`` must not wait for who reads it.
    """

    def write(line: OutputLine) -> None:
        who = f"{line.pod}/{line.container}" if line.container in {"envoy", "plait"} else str(line.pod)
        if colour:
            paint = _COLOURS[zlib.crc32(str(line.pod).encode()) % len(_COLOURS)]
            who = f"\x1b[{paint}m{who}\x1b[0m"
        out.write(f"{who} | {line.text}\n")

    return write
