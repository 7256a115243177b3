"""Python's cycle collector in a server: rarely, and never over what stays."""

from __future__ import annotations

import gc


def relax() -> None:
    """Look for cycles more rarely: configuration is values without any, and a full search stops the loop."""
    # The first number is the pause: new objects are looked through at once, 25,000 in some 10 ms.
    gc.set_threshold(25_000, 200, 1000)


def settle() -> None:
    """Leave what is there now out of all later searches."""
    gc.collect()
    gc.freeze()
