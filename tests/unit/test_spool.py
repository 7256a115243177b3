"""Output that nobody reads holds nobody up, and says what is missing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from xds.spool import Spool

LINE = "x" * 99 + "\n"
LIMIT_S = 60.0


class Pipe:
    """A pipe with its two ends."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.spool = Spool(self.write_end, lambda count: f"{count} are missing\n")
        self.found = b""

    def reading(self) -> threading.Thread:
        """Read from now on until all other ends are closed."""

        def read() -> None:
            while chunk := os.read(self.read_end, 1 << 16):
                self.found += chunk

        thread = threading.Thread(target=read)
        thread.start()
        return thread


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """One that is closed at the end."""
    pipe = Pipe()
    yield pipe
    os.close(pipe.read_end)


def test_what_is_written_is_there_in_order(pipe: Pipe) -> None:
    for number in range(1000):
        pipe.spool.write(f"{number}\n")
    thread = pipe.reading()
    pipe.spool.close()
    os.close(pipe.write_end)
    thread.join(LIMIT_S)
    assert pipe.found.decode().split() == [str(number) for number in range(1000)]


def test_nobody_waits_and_what_is_dropped_is_counted_in_its_place(pipe: Pipe) -> None:
    count = 100_000
    for _ in range(count):
        pipe.spool.write(LINE)
    thread = pipe.reading()
    while not pipe.found.endswith(b"are missing\n"):
        assert thread.is_alive()
    pipe.spool.write("and on\n")
    pipe.spool.close()
    os.close(pipe.write_end)
    thread.join(LIMIT_S)
    *rest, last = pipe.found.decode().splitlines()
    lines = [each for each in rest if each == LINE.rstrip()]
    missing = [int(each.removesuffix(" are missing")) for each in rest if each != LINE.rstrip()]
    assert len(lines) + sum(missing) == count
    assert missing
    assert last == "and on"


def test_who_ends_does_not_wait_for_who_does_not_read(pipe: Pipe) -> None:
    for _ in range(10_000):
        pipe.spool.write(LINE)
    pipe.spool.close()
    thread = pipe.reading()  # its writer is not to write where that number stands for something else
    pipe.spool.close()
    os.close(pipe.write_end)
    thread.join(LIMIT_S)


def test_a_reader_that_has_gone_harms_nobody() -> None:
    pipe = Pipe()
    os.close(pipe.read_end)
    for _ in range(10_000):
        pipe.spool.write(LINE)
    pipe.spool.close()
    pipe.spool.write(LINE)
    os.close(pipe.write_end)


def test_a_descriptor_that_would_not_block_is_written_to_all_the_same(pipe: Pipe) -> None:
    os.set_blocking(pipe.write_end, False)
    for _ in range(10_000):
        pipe.spool.write(LINE)
    thread = pipe.reading()
    pipe.spool.close()
    os.close(pipe.write_end)
    thread.join(LIMIT_S)
    assert pipe.found.decode() == LINE * 10_000


def test_text_that_is_no_unicode_is_written_as_well_as_it_can_be(pipe: Pipe) -> None:
    pipe.spool.write("a\udc80b")
    pipe.spool.close()
    assert os.read(pipe.read_end, 100) == b"a?b"
    os.close(pipe.write_end)
