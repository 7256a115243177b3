"""The table of DNS names."""

from __future__ import annotations

import pytest

from xds.local.names import Answer, ClusterNames, RecordType, Srv
from xds.local.services import HostAddresses, LocalService, ServiceEndpoint, ServicePort

HTTP = (ServicePort(80, name="http"),)
SERVICES = [
    LocalService("shop", "web", ("10.96.0.1", "fd00::1"), HTTP),
    LocalService("shop", "db", (), HTTP, (ServiceEndpoint("10.77.0.3", "db-0"), ServiceEndpoint("10.77.0.2"))),
    LocalService("shop", "out", external_name="API.example.com."),
]
TABLE = ClusterNames(
    SERVICES, [HostAddresses("api.example.com", ("10.96.0.9",)), HostAddresses("*.w.test", ("10.96.0.8",))]
)


@pytest.mark.parametrize(
    ("name", "kind", "wanted"),
    [
        ("web.shop.svc.cluster.local", RecordType.A, Answer(("10.96.0.1",))),
        ("web.shop.svc", RecordType.A, Answer(("10.96.0.1",))),
        ("web.shop", RecordType.AAAA, Answer(("fd00::1",))),
        ("web.shop", RecordType.OTHER, Answer()),
        ("web", RecordType.A, None),
        ("db.shop.svc.cluster.local", RecordType.A, Answer(("10.77.0.2", "10.77.0.3"))),
        ("db.shop.svc.cluster.local", RecordType.AAAA, Answer()),
        ("db-0.db.shop.svc.cluster.local", RecordType.A, Answer(("10.77.0.3",))),
        ("out.shop", RecordType.A, Answer(alias="api.example.com")),
        ("api.example.com", RecordType.A, Answer(("10.96.0.9",))),
        ("a.b.w.test", RecordType.A, Answer(("10.96.0.8",))),
        ("w.test", RecordType.A, None),
        ("_http._tcp.web.shop.svc.cluster.local", RecordType.SRV, Answer(srv=(Srv(80, "web.shop.svc.cluster.local"),))),
        (
            "_http._tcp.db.shop.svc.cluster.local",
            RecordType.SRV,
            Answer(srv=(Srv(80, "db-0.db.shop.svc.cluster.local"),)),
        ),
    ],
)
def test_lookup(name: str, kind: RecordType, wanted: Answer | None) -> None:
    assert TABLE.lookup(name, kind) == wanted


def test_covers() -> None:
    assert TABLE.covers("x.y.svc.cluster.local")
    assert not TABLE.covers("example.com")
