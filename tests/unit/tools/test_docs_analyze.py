"""``docs/analyze.md`` names findings that there are, and every code of istioctl that we know of."""

from __future__ import annotations

import re
from pathlib import Path

from tools.problem_codes import findings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "analyze.md"


def test_every_code_that_the_page_names_is_one() -> None:
    named = set(re.findall(r"`([a-z-]+\.[a-z-]+)`", PAGE.read_text()))
    assert named <= {each.code for each in findings()}


def test_at_least_45_codes_of_istioctl_have_one_here() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| IST")]
    applying = [row for row in rows if re.search(r"`[a-z-]+\.[a-z*-]+`", row) and "not apply" not in row]
    assert sum(row.count("IST0") for row in applying) >= 45
