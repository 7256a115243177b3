"""NAT rules of services."""

from __future__ import annotations

from xds.local.service_rules import base_rules, service_rules
from xds.local.services import LocalService, ServicePort

BACKENDS = (("10.77.0.3", 8080), ("10.77.0.2", 8080), ("fd00::2", 8080))
WEB = LocalService(
    "shop", "web", ("10.96.0.1", "fd00:96::1"), (ServicePort(80, backends=BACKENDS), ServicePort(53, "UDP"))
)


def test_connections_are_spread_evenly_and_refused_without_backends() -> None:
    assert service_rules("10.77.0.1", [WEB], "10.96.0.0/16") == [
        "*nat",
        "-F PLAIT_SERVICES",
        "-A PLAIT_SERVICES -d 10.96.0.1 -p tcp --dport 80 -s 10.77.0.2 -j MARK --set-mark 0x4000",
        "-A PLAIT_SERVICES -d 10.96.0.1 -p tcp --dport 80 -s 10.77.0.3 -j MARK --set-mark 0x4000",
        (
            "-A PLAIT_SERVICES -d 10.96.0.1 -p tcp --dport 80 -m statistic --mode random --probability 0.5000000000"
            " -j DNAT --to-destination 10.77.0.2:8080"
        ),
        "-A PLAIT_SERVICES -d 10.96.0.1 -p tcp --dport 80 -j DNAT --to-destination 10.77.0.3:8080",
        "-A PLAIT_SERVICES -d 10.96.0.1 -p udp --dport 53 -j DNAT --to-destination 10.77.0.1:1",
        "-A PLAIT_SERVICES -d 10.96.0.0/16 -p tcp -j DNAT --to-destination 10.77.0.1:1",
        "-A PLAIT_SERVICES -d 10.96.0.0/16 -p udp -j DNAT --to-destination 10.77.0.1:1",
        "COMMIT",
    ]


def test_the_other_family_has_rules_of_its_own() -> None:
    lines = service_rules("fd00:77::1", [WEB])
    assert "-A PLAIT_SERVICES -d fd00:96::1 -p tcp --dport 80 -j DNAT --to-destination [fd00::2]:8080" in lines
    assert not any("10." in line for line in lines)


def test_order_of_services_does_not_matter() -> None:
    other = LocalService("shop", "api", ("10.96.0.2",), (ServicePort(80),))
    assert service_rules("10.77.0.1", [WEB, other]) == service_rules("10.77.0.1", [other, WEB])


def test_egress_spares_what_is_inside() -> None:
    lines = base_rules("10.77.0.1", ("10.77.0.0/16",), 4000)
    assert lines.index("-A PLAIT_EGRESS -d 10.77.0.0/16 -j RETURN") < lines.index(
        "-A PLAIT_EGRESS -p tcp -j DNAT --to-destination 10.77.0.1:4000"
    )
    assert not any("-A PLAIT_EGRESS" in line for line in base_rules("10.77.0.1", (), 0))
