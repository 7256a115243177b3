"""Which of several services of one name or address has it."""

from __future__ import annotations

import pytest

from xds.decoders.build import in_order
from xds.model.refs import ObjectRef
from xds.model.service import Service
from xds.model.snapshot import Table

ADDRESS = "10.96.0.7"
REAL = Service(
    ObjectRef("", "Service", "shop", "db"), "db.shop.svc", "shop", (), addresses=(ADDRESS,), created="2026-02"
)
CLAIM = Service(
    ObjectRef("networking.istio.io", "ServiceEntry", "evil", "a"),
    "a.evil",
    "evil",
    (),
    addresses=(ADDRESS,),
    created="2025-01",
)


@pytest.mark.parametrize("table", [Table.HOST, Table.SERVICE, Table.VIRTUAL_ADDRESS])
def test_no_service_entry_takes_what_is_a_kubernetes_service_s(table: Table) -> None:
    assert in_order(table, [CLAIM, REAL]) == (REAL, CLAIM)
