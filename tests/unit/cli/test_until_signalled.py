"""Commands that run until they are told to end: in order at the first signal, at once when somebody insists."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

WORK = """
import asyncio, sys
from xds.cli.until_signalled import run_until_signalled

async def work():
    try:
        print("running", flush=True)
        await asyncio.Event().wait()
    finally:
        print("ending", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print("ended", flush=True)

run_until_signalled(work())
"""


@pytest.fixture
def ending() -> Iterator[subprocess.Popen[str]]:
    """A process that has been signalled once and waits for a line before it has ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "ending\n"
        yield process
        process.kill()


def test_a_signal_that_comes_twice_does_not_cut_the_ending_short(ending: subprocess.Popen[str]) -> None:
    ending.send_signal(signal.SIGINT)
    ending.send_signal(signal.SIGTERM)
    assert ending.communicate("\n", timeout=30) == ("ended\n", "")
    assert ending.returncode == 0


def test_who_insists_is_obeyed(ending: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while ending.poll() is None:
        assert time.monotonic() < deadline
        ending.send_signal(signal.SIGINT)
        time.sleep(0.05)
    assert ending.returncode == 128 + signal.SIGINT
    assert ending.stderr is not None
    assert ending.stderr.read() == ""
