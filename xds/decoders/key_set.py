"""Key sets of token issuers, as they were fetched: found by the URI that policies name."""

from __future__ import annotations

from collections.abc import Iterator

from xds.decoders.row import Authored, Row
from xds.model.security import KeySet
from xds.model.snapshot import Input, Table


def decode(authored: Authored) -> Iterator[Row]:
    """The row of a key set. Its problem is one of the policies that name it (xds.explain.analyze)."""
    found: KeySet = authored.struct
    yield Row(Input(Table.KEY_SET, found.uri), found)
