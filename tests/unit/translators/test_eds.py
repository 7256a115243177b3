"""Load assignments, whole."""

from __future__ import annotations

from xds.model.endpoint import Endpoint, Health, Locality
from xds.translators.eds import load_assignment
from xds.view.specs.clusters import EndpointGroup, LocalityGroup
from xds.wire.codec import encode, to_plain

NAME = "outbound|80||b.shop.svc.cluster.local"


def address(host: str, port: int) -> dict[str, object]:
    return {"socket_address": {"address": host, "port_value": port}}


def test_nothing_but_the_name() -> None:
    assert to_plain(load_assignment(EndpointGroup(NAME, ()))) == {"cluster_name": NAME}


def test_all_fields() -> None:
    endpoints = (
        Endpoint("10.0.0.1", 8080),
        Endpoint(
            "fd00::1", 8080, health=Health.UNHEALTHY, weight=3, workload="b-v1;shop", labels=frozenset({("app", "b")})
        ),
        Endpoint("10.0.0.3", 8080, health=Health.DRAINING),
        Endpoint("unix:///run/b.sock", 0),
    )
    spec = EndpointGroup(NAME, (LocalityGroup(Locality("r", "z", "s"), endpoints, priority=1, weight=7),))
    assert to_plain(load_assignment(spec)) == {
        "cluster_name": NAME,
        "endpoints": [
            {
                "locality": {"region": "r", "zone": "z", "sub_zone": "s"},
                "priority": 1,
                "load_balancing_weight": 7,
                "lb_endpoints": [
                    {"endpoint": {"address": address("10.0.0.1", 8080)}},
                    {
                        "endpoint": {"address": address("fd00::1", 8080)},
                        "health_status": "UNHEALTHY",
                        "load_balancing_weight": 3,
                        "metadata": {
                            "filter_metadata": {
                                "istio": {"workload": "b-v1", "app": "b", "service": "b", "revision": "latest"}
                            }
                        },
                    },
                    {"endpoint": {"address": address("10.0.0.3", 8080)}, "health_status": "DRAINING"},
                    {"endpoint": {"address": {"pipe": {"path": "/run/b.sock"}}}},
                ],
            }
        ],
    }


def test_order_is_the_specs_and_bytes_are_the_same() -> None:
    groups = tuple(
        LocalityGroup(Locality(zone), tuple(Endpoint(f"10.0.{zone}.{n}", 80, workload="b;shop") for n in range(3)))
        for zone in ("2", "1")
    )
    message = load_assignment(EndpointGroup(NAME, groups))
    assert [each.locality.region for each in message.endpoints] == ["2", "1"]
    assert encode(message) == encode(load_assignment(EndpointGroup(NAME, groups)))
