"""Programs run to their end, in the event loop that `plait up` has."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from xds.local.commands import CommandFailed, run


@pytest.mark.parametrize("text", ["", "x" * 1_000_000])
def test_a_program_that_does_not_read_its_input_is_no_failure(text: str) -> None:
    async def many() -> list[str]:
        return await asyncio.gather(*(run(("sh", "-c", "exec <&-; echo said"), text) for _ in range(50)))

    assert uvloop.run(many()) == ["said\n"] * 50


def test_a_failure_has_the_programs_own_words() -> None:
    with pytest.raises(CommandFailed, match="status 3: no such rule: x"):
        uvloop.run(run(("sh", "-c", "read line; echo no such rule: $line >&2; exit 3"), "x\n"))
