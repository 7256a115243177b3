"""Programs that are started, watched and started again."""

from __future__ import annotations

import asyncio
import io

from xds.local.output import OutputLine, console, copy_lines
from xds.local.pods import PodKey, Restart
from xds.local.program import Program, Supervisor

POD = PodKey("shop", "web")


def shell(script: str, lines: list[OutputLine]) -> Program:
    return Program(POD, "app", ("sh", "-c", script), {"PATH": "/usr/bin:/bin"}, lines.append, wrapped=False)


async def test_the_policy_says_what_follows_an_end() -> None:
    lines: list[OutputLine] = []
    assert await Supervisor(shell("echo out; echo err >&2; exit 3", lines), Restart.NEVER).run() == 3
    assert sorted(line.text for line in lines) == ["err", "out"]
    done = Supervisor(shell("exit 0", lines), Restart.ON_FAILURE)
    assert (await done.run(), done.starts) == (0, 1)


async def test_a_crashed_program_is_started_again_until_it_is_stopped() -> None:
    lines: list[OutputLine] = []
    ends = asyncio.Queue[None]()
    again = Supervisor(shell("exit 1", lines), Restart.ON_FAILURE, ended=lambda: ends.put_nowait(None))
    task = asyncio.create_task(again.run())
    async with asyncio.timeout(20):
        await ends.get()
        await ends.get()
        again.stop()
        assert await task == 1
    assert again.starts == 2
    assert "app ended with status 1; started again in 0.5 s" in [line.text for line in lines]


async def test_stop_is_a_signal_that_can_be_answered() -> None:
    lines: list[OutputLine] = []
    ready = asyncio.Event()

    def sink(line: OutputLine) -> None:
        lines.append(line)
        ready.set()

    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    program = Program(POD, "app", ("sh", "-c", script), {"PATH": "/usr/bin:/bin"}, sink, wrapped=False)
    supervisor = Supervisor(program, Restart.ALWAYS)
    task = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(20):
        await ready.wait()
        supervisor.stop()
        assert await task == 0
    assert [line.text for line in lines] == ["up", "bye"]


async def test_lines_are_cut_where_they_end_or_grow_too_long() -> None:
    stream = asyncio.StreamReader(limit=1 << 20)
    stream.feed_data(b"one\r\ntw\xff\n" + b"x" * 200_000 + b"\nlast")
    stream.feed_eof()
    lines: list[OutputLine] = []
    await copy_lines(stream, POD, "app", lines.append)
    texts = [line.text for line in lines]
    assert texts[:2] == ["one", "tw\ufffd"]
    assert texts[-1] == "last"
    assert max(map(len, texts)) < 200_000
    assert "".join(texts[2:-1]) == "x" * 200_000


def test_console_prefixes_lines() -> None:
    plain, painted = io.StringIO(), io.StringIO()
    for out, colour in ((plain, False), (painted, True)):
        console(out, colour=colour)(OutputLine(POD, "app", "hello"))
        console(out, colour=colour)(OutputLine(POD, "envoy", "there"))
    assert plain.getvalue() == "shop/web | hello\nshop/web/envoy | there\n"
    assert painted.getvalue().startswith("\x1b[")
