"""``docs/faults.md`` has every fault of the catalogue, with its guilty object."""

from __future__ import annotations

from pathlib import Path

from tests.envoy.faults.catalogue import catalogue

PAGE = Path(__file__).resolve().parents[3] / "docs" / "faults.md"


def test_every_fault_is_in_the_page_with_who_is_guilty() -> None:
    rows = {line.split("|")[1].strip(): line for line in PAGE.read_text().splitlines() if line.startswith("| ")}
    for fault in catalogue():
        assert f"`{fault.guilty}`" in rows.get(fault.name, ""), fault.name
    assert len(rows) - len({"broken", "---"} & rows.keys()) == len(catalogue()), "and no other"
