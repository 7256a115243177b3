"""ConfigMaps that hold authorities, for whoever names them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from xds.decoders.row import Authored, Row
from xds.kinds.config_map import ConfigMap
from xds.model.credential import Credential
from xds.model.gateway_api import config_map_name
from xds.model.snapshot import Input, Table

KEY: Final = "ca.crt"
_PEM: Final = "-----BEGIN CERTIFICATE-----"


def decode(authored: Authored) -> Iterator[Row]:
    """The row of a ConfigMap with ``ca.crt``; none for another."""
    struct: ConfigMap = authored.struct
    text = struct.data.get(KEY)
    if text is None:
        return
    held = Credential(authored.ref, authorities=text.encode() if _PEM in text else b"")
    yield Row(Input(Table.CREDENTIAL, (authored.ref.namespace, config_map_name(authored.ref.name))), held)
