"""Which requests a change concerns, by the names of what it makes other."""

from __future__ import annotations

from xds.rollout.signals import INBOUND
from xds.rollout.world import Touched

WEB = "web.shop.svc.cluster.local"


def test_a_stream_is_concerned_where_its_host_stands_in_a_name() -> None:
    touched = Touched(frozenset({f"outbound|80|v9|{WEB}", f"80/{WEB}:80"}))
    assert touched.concerns(WEB)
    assert not touched.concerns("other.shop.svc.cluster.local")
    assert not touched.concerns(INBOUND)


def test_a_part_of_a_name_is_no_host() -> None:
    touched = Touched(frozenset({f"outbound|80|v9|{WEB}", "0.0.0.0_80", "virtualOutbound", f"80/x.{WEB}:80"}))
    parts = ("o", "80", "outbound", "virtualOutbound", "0.0.0.0", "shop.svc", "eb.shop.svc.cluster.local", "*", ".")
    assert not any(touched.concerns(part) for part in parts)
    assert not Touched(frozenset({f"80/x.{WEB}:80"})).concerns(WEB)


def test_what_a_workload_is_asked_is_concerned_by_what_is_inbound() -> None:
    touched = Touched(frozenset({"authorization-deny"}), inbound=True)
    assert touched.concerns(INBOUND)
    assert not touched.concerns(WEB)
