"""What the kernel says about a process and its children: processor time and memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds and resident bytes of a process; ``children_*`` those of all its descendants."""

    cpu: float
    rss: int
    children_cpu: float = 0.0
    children_rss: int = 0


def usage(pid: int) -> Usage:
    """What process ``pid`` and its descendants have used. FileNotFoundError when it is gone."""
    cpu, rss = _of(pid)
    below = [_of(child) for child in _descendants(pid)]
    return Usage(cpu, rss, sum(each[0] for each in below), sum(each[1] for each in below))


def _of(pid: int) -> tuple[float, int]:
    process = _PROC / str(pid)
    # In nanoseconds, unlike stat's hundredths of a second; but of living threads only.
    ran = sum(int(thread.read_text().split()[0]) for thread in process.glob("task/*/schedstat"))
    pages = int((process / "statm").read_text().split()[1])
    return ran / 1e9, pages * os.sysconf("SC_PAGE_SIZE")


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for tasks in (_PROC / str(pid) / "task").glob("*/children"):
        for child in map(int, tasks.read_text().split()):
            found += [child, *_descendants(child)]
    return found
