"""What the client program is asked to do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Emit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Job:
    """One job: what is asked, by the fields of its kind, and the event that ends it early."""

    what: dict[str, Any]
    stop: threading.Event
