"""Waiting for what comes to be."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(found: Callable[[], T], within_s: float = 20) -> T:
    """What ``found`` answers, as soon as that is something. AssertionError when it never is."""
    deadline = time.monotonic() + within_s
    while not (answer := found()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)
    return answer
