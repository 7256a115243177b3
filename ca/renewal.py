"""When a certificate is renewed: around half of its lifetime, spread so that those issued together part ways."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final

# Of the lifetime: 24 h are renewed after 10.8 to 13.2 h, a minute after 27 to 33 s.
_EARLIEST: Final = 0.45
_LATEST: Final = 0.55
# A certificate cut short by its issuer's end would else be renewed at ever shorter intervals.
_SHORTEST_WAIT: Final = timedelta(seconds=10)


def renew_at(issued_at: datetime, not_after: datetime, part: float) -> datetime:
    """When to renew what was issued at ``issued_at``: at 45 to 55 % of its lifetime, not sooner than after 10 s.

    ``part`` picks the moment in that window: at least 0, below 1, random or from ``part_of``.
    """
    lifetime = not_after - issued_at
    return issued_at + max(_SHORTEST_WAIT, lifetime * (_EARLIEST + (_LATEST - _EARLIEST) * part))


def part_of(*words: str) -> float:
    """At least 0, below 1, the same for the same words, evenly spread over different ones: no random needed."""
    digest = hashlib.sha256("\0".join(words).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
