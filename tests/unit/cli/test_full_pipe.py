"""Commands that serve go on serving while nobody reads what they write."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

PLAIT: Final = (sys.executable, "-c", "from xds.cli import main; main()")
LIMIT_S: Final = 90.0
_PIPE_BYTES: Final = 4096
# Each is a line of the log: far more than the pipe holds.
_BROKEN: Final = "".join(
    f"""---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: broken-{number}, namespace: shop}}
spec: {{hosts: [web], http: [{{retries: {{attempts: -1}}}}]}}
"""
    for number in range(200)
)


@contextmanager
def unread(*command: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process whose output goes to a pipe that is read by nobody but the test, and that pipe."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    process = subprocess.Popen([*PLAIT, *command], stdout=write_end, stderr=write_end)
    os.close(write_end)
    try:
        yield process, read_end
    finally:
        os.close(read_end)
        process.kill()
        process.wait(LIMIT_S)


def read_through(pipe: int) -> bytes:
    """All that is written until the other end is closed."""
    found = b""
    while chunk := os.read(pipe, 1 << 16):
        found += chunk
    return found


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def knows(socket: Path, name: str) -> bool:
    """Whether who listens there knows what is wrong with that object, and says so."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://plait", timeout=5) as client:
        try:
            return name in client.get("/debug/problems").text
        except httpx.TransportError:
            return False


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """``plait serve`` that is ready, and has logged more than its pipe holds."""
    (tmp_path / "broken.yaml").write_text(_BROKEN)
    socket = tmp_path / "http"
    addresses = ("--xds-plaintext", f"unix:{tmp_path / 'xds'}", "--http", f"unix:{socket}")
    with unread("serve", "--manifests", str(tmp_path), *addresses) as (process, pipe):
        until(lambda: knows(socket, "broken-199"), "it does not answer")
        yield process, pipe


def test_serve_answers_and_ends_while_nobody_reads_its_log(serving: tuple[subprocess.Popen[bytes], int]) -> None:
    process, _ = serving
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT_S) == 0


def test_the_log_is_there_when_somebody_reads_it(serving: tuple[subprocess.Popen[bytes], int]) -> None:
    process, pipe = serving
    process.send_signal(signal.SIGTERM)
    log = read_through(pipe)
    assert log.count(b"broken-") >= 200
    assert b"server stopped" in log
    assert process.wait(LIMIT_S) == 0


def test_serve_goes_on_when_its_reader_has_gone(tmp_path: Path) -> None:
    socket = tmp_path / "http"
    addresses = ("--xds-plaintext", f"unix:{tmp_path / 'xds'}", "--http", f"unix:{socket}")
    read_end, write_end = os.pipe()
    os.close(read_end)
    (tmp_path / "broken.yaml").write_text(_BROKEN)
    process = subprocess.Popen([*PLAIT, "serve", "--manifests", str(tmp_path), *addresses], stderr=write_end)
    os.close(write_end)
    try:
        until(lambda: knows(socket, "broken-199"), "it does not answer")
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
    finally:
        process.kill()
        process.wait(LIMIT_S)
