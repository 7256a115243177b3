"""Recordings as they run: found by whose requests are looked at."""

from __future__ import annotations

from collections.abc import Iterator

from xds.decoders.row import Authored, Row
from xds.model.recording import Recording
from xds.model.snapshot import Input, Table


def decode(authored: Authored) -> Iterator[Row]:
    """The row of a recording."""
    found: Recording = authored.struct
    yield Row(Input(Table.RECORDING, (found.namespace, found.name)), found)
