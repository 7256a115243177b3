"""Commands of ``plait`` beside a running mesh, by a process that has loaded all modules already."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Final

_WORDS_LIMIT: Final = 2**24
# A command a line; each runs in a fork, but for the first, which loads what they need. An answer a line.
_PROGRAM: Final = """
import json, os, sys, tempfile
from xds.cli import main

def run(words, out, err):
    os.dup2(out, 1), os.dup2(err, 2)
    sys.argv = ["plait", *words]
    try:
        main()
    except SystemExit:
        pass
    sys.stdout.flush(), sys.stderr.flush()

answers = os.fdopen(os.dup(1), "w", buffering=1)
with open(os.devnull, "w") as nowhere:
    run(json.loads(input()), nowhere.fileno(), nowhere.fileno())
answers.write("{}\\n")
for line in sys.stdin:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            run(json.loads(line), out.fileno(), err.fileno())
            os._exit(0)
        os.waitpid(child, 0)
        out.seek(0), err.seek(0)
        answers.write(json.dumps({"out": out.read().decode(), "err": err.read().decode()}) + "\\n")
"""


class Commands:
    """The process, and the mesh that its commands are about."""

    def __init__(self, process: asyncio.subprocess.Process, mesh: str) -> None:
        self._process = process
        self._mesh = mesh
        self._one_at_a_time = asyncio.Lock()

    async def answer(self, *words: str) -> str:
        """What ``plait`` prints; where that is nothing, what it says is wrong with the question."""
        # One that nobody waits for any more is answered as well, before the next.
        told = await asyncio.shield(asyncio.ensure_future(self._told(words)))
        return str(told["out"] or told["err"])

    async def _told(self, words: tuple[str, ...]) -> dict[str, str]:
        to, of = self._process.stdin, self._process.stdout
        assert to is not None
        assert of is not None
        async with self._one_at_a_time:
            to.write(json.dumps([*words, "--mesh", self._mesh]).encode() + b"\n")
            await to.drain()
            told: dict[str, str] = json.loads(await of.readline())
        return told


@contextlib.asynccontextmanager
async def commands(mesh: str, *first: str) -> AsyncIterator[Commands]:
    """Commands about the mesh, ready when the modules of the ``first`` one are loaded."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, stdin=pipe, stdout=pipe, limit=_WORDS_LIMIT
    )
    try:
        found = Commands(process, mesh)
        await found._told(first)
        yield found
    finally:
        process.kill()
        await process.wait()
