"""What workloads have asked for on demand, as it was noted: found by who asks."""

from __future__ import annotations

from collections.abc import Iterator

from xds.decoders.row import Authored, Row
from xds.model.on_demand import Demand
from xds.model.snapshot import Input, Table


def decode(authored: Authored) -> Iterator[Row]:
    """The row of a demand."""
    found: Demand = authored.struct
    yield Row(Input(Table.DEMAND, found.by), found)
