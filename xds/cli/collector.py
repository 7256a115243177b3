"""Python's cycle collector in a server: rarely, and never over what stays."""

from __future__ import annotations

import gc


def relax() -> None:
    """Look for cycles more rarely: configuration is values without any, and a full search stops the loop."""
    gc.set_threshold(100_000, 50, 1000)


def settle() -> None:
    """Leave what is there now out of all later searches."""
    gc.collect()
    gc.freeze()
