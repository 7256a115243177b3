"""Clocks that tests set."""

from __future__ import annotations

from datetime import datetime

import pytest


def stopped(monkeypatch: pytest.MonkeyPatch, module: str, now: datetime) -> list[datetime]:
    """What the clock says in a module from now on, which is ``now`` until another moment takes its place."""
    says = [now]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return says[0]

    monkeypatch.setattr(f"{module}.datetime", Clock)
    return says
