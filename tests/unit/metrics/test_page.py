"""docs/metrics.md has every metric that there is, and no other."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from xds.admin.proxies_counted import counted
from xds.admin.status import CaReport
from xds.decoders.build import Builder
from xds.metrics.metrics import Metrics

ROOT: Final = Path(__file__).parents[3]
ENDS: Final = datetime(2036, 1, 1, tzinfo=UTC)
CA: Final = CaReport("stable", ENDS, "ab12", ("ab12",), ENDS, (), ())
NAME: Final = re.compile(r"`((?:pilot|plait|istio|istiod|citadel|galley|sidecar|process)_[a-z0-9_]+)`")


def documented() -> set[str]:
    """The names in the first columns of the tables, but for that of what is missing."""
    text = (ROOT / "docs" / "metrics.md").read_text().partition("## What istiod has and Plait does not")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    return {name for row in rows for name in NAME.findall(row)}


def made() -> set[str]:
    snapshot = Builder().snapshot
    metrics = Metrics(lambda group, kind: 0, lambda: CA, lambda: snapshot, list)
    return {each.name for each in (*metrics.metrics(), *counted([]))}


def test_the_page_has_what_there_is() -> None:
    assert made() <= documented()


def test_the_page_has_nothing_else() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "xds").glob("*/*.py"))
    elsewhere = documented() - made()
    assert {name for name in elsewhere if not re.search(rf'"{name}"', source)} == {
        f"plait_telemetry_{name}_total" for name in ("messages", "series_dropped", "folded")
    }
