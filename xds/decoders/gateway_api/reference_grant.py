"""ReferenceGrants."""

from __future__ import annotations

from collections.abc import Iterator

from xds.decoders.row import Authored, Row
from xds.kinds.gateway_api.reference_grant import ReferenceGrantSpec
from xds.model.gateway_api import GroupKind, ReferenceGrant
from xds.model.snapshot import Input, Table


def decode(authored: Authored) -> Iterator[Row]:
    """The row of a ReferenceGrant."""
    spec: ReferenceGrantSpec = authored.struct.spec
    grant = ReferenceGrant(
        ref=authored.ref,
        sources=tuple((GroupKind(each.group, each.kind), each.namespace) for each in spec.from_),
        targets=tuple((GroupKind(_core(each.group), each.kind), each.name or "") for each in spec.to),
    )
    yield Row(Input(Table.REFERENCE_GRANT, authored.ref.namespace), grant)


def _core(group: str) -> str:
    return "" if group == "core" else group
