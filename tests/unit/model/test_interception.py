"""Interception rules from pod annotations."""

from __future__ import annotations

from xds.model.interception import Interception, interception, rules
from xds.model.problem import Problems
from xds.model.refs import FieldRef, ObjectRef

AT = FieldRef(ObjectRef("", "Pod", "shop", "web")) / "metadata.annotations"
P = "traffic.sidecar.istio.io/"


def read(annotations: dict[str, str]) -> tuple[Interception | None, list[str]]:
    found = Problems()
    return interception(annotations, AT, found), [problem.code for problem in found]


def test_without_annotations_everything_is_taken_in() -> None:
    what, codes = read({})
    assert (what, codes) == (Interception(), [])
    assert rules(Interception()) == [
        "*nat",
        ":PLAIT_INBOUND - [0:0]",
        ":PLAIT_OUTPUT - [0:0]",
        ":PLAIT_REDIRECT - [0:0]",
        ":PLAIT_IN_REDIRECT - [0:0]",
        "-A PLAIT_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
        "-A PLAIT_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006",
        "-A PREROUTING -p tcp -j PLAIT_INBOUND",
        "-A OUTPUT -j PLAIT_OUTPUT",
        "-A PLAIT_INBOUND -p tcp --dport 15090 -j RETURN",
        "-A PLAIT_INBOUND -p tcp --dport 15021 -j RETURN",
        "-A PLAIT_INBOUND -p tcp --dport 15020 -j RETURN",
        "-A PLAIT_INBOUND -p tcp -j PLAIT_IN_REDIRECT",
        "-A PLAIT_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN",
        "-A PLAIT_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m owner --uid-owner 1337 -j PLAIT_IN_REDIRECT",
        "-A PLAIT_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN",
        "-A PLAIT_OUTPUT -m owner --uid-owner 1337 -j RETURN",
        "-A PLAIT_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m owner --gid-owner 1337 -j PLAIT_IN_REDIRECT",
        "-A PLAIT_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN",
        "-A PLAIT_OUTPUT -m owner --gid-owner 1337 -j RETURN",
        "-A PLAIT_OUTPUT -d 127.0.0.1/32 -j RETURN",
        "-A PLAIT_OUTPUT -p tcp -j PLAIT_REDIRECT",
        "COMMIT",
    ]


def test_annotations_narrow_it() -> None:
    what, codes = read(
        {
            P + "includeInboundPorts": "80, 8080",
            P + "excludeInboundPorts": "9090",
            P + "includeOutboundIPRanges": "10.0.0.0/8,fd00::/8",
            P + "excludeOutboundIPRanges": "10.1.2.3",
            P + "includeOutboundPorts": "443",
            P + "excludeOutboundPorts": "3306",
        }
    )
    assert codes == []
    assert what is not None
    four, six = rules(what), rules(what, 6)
    assert "-A PLAIT_INBOUND -p tcp --dport 9090 -j RETURN" in four
    assert [line for line in four if "-j PLAIT_IN_REDIRECT" in line and "INBOUND" in line] == [
        "-A PLAIT_INBOUND -p tcp --dport 80 -j PLAIT_IN_REDIRECT",
        "-A PLAIT_INBOUND -p tcp --dport 8080 -j PLAIT_IN_REDIRECT",
    ]
    assert four[-4:] == [
        "-A PLAIT_OUTPUT -d 10.1.2.3/32 -j RETURN",
        "-A PLAIT_OUTPUT -p tcp --dport 443 -j PLAIT_REDIRECT",
        "-A PLAIT_OUTPUT -p tcp -d 10.0.0.0/8 -j PLAIT_REDIRECT",
        "COMMIT",
    ]
    assert four[four.index("-A PLAIT_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN") - 1].endswith("--dport 3306 -j RETURN")
    assert six[-2] == "-A PLAIT_OUTPUT -p tcp -d fd00::/8 -j PLAIT_REDIRECT"
    assert "-A PLAIT_OUTPUT -d ::1/128 -j RETURN" in six
    assert not any("10." in line for line in six)


def test_empty_include_takes_nothing_in() -> None:
    what, _ = read({P + "includeInboundPorts": "", P + "includeOutboundIPRanges": ""})
    assert what is not None
    lines = rules(what)
    assert not [line for line in lines if "PLAIT_INBOUND" in line and "PLAIT_IN_REDIRECT" in line]
    assert not [line for line in lines if line.startswith("-A PLAIT_OUTPUT") and line.endswith("-j PLAIT_REDIRECT")]


def test_a_star_takes_everything_in() -> None:
    what, _ = read({P + "includeInboundPorts": "*", P + "includeOutboundIPRanges": "*"})
    assert what == Interception()


def test_bad_entries_are_reported_and_left_out() -> None:
    bad = {P + "excludeInboundPorts": "80,http,70000", P + "excludeOutboundIPRanges": "10.0.0.0/8,nowhere"}
    what, codes = read(bad)
    assert what == Interception(excluded_inbound_ports=(80,), excluded_networks=("10.0.0.0/8",))
    assert codes == ["interception.port", "interception.port", "interception.network"]


def test_a_network_brings_no_lines_of_its_own() -> None:
    what, codes = read({P + "excludeOutboundIPRanges": "fe80::%x\n-A OUTPUT -j ACCEPT\n#, fe80::%eth0/128, fe80::1/64"})
    assert what == Interception(excluded_networks=("fe80::/64",))
    assert codes == ["interception.network", "interception.network"]


def test_interfaces_are_left_alone() -> None:
    what, codes = read({P + "excludeInterfaces": "net1, not one"})
    assert what == Interception(excluded_interfaces=("net1",))
    assert codes == ["interception.interface"]
    lines = rules(what)
    metrics = "-A PLAIT_INBOUND -p tcp --dport 15090 -j RETURN"
    assert lines.index("-A PLAIT_INBOUND -i net1 -j RETURN") < lines.index(metrics)
    assert "-A PLAIT_OUTPUT -o net1 -j RETURN" in lines


def test_what_comes_in() -> None:
    assert [port for port in (8080, 15020, 15090) if Interception().captures(port)] == [8080]
    assert not Interception(inbound_ports=(80,)).captures(8080)
    assert not Interception(excluded_inbound_ports=(8080,)).captures(8080)


def test_mode() -> None:
    assert read({"sidecar.istio.io/interceptionMode": "NONE"}) == (None, [])
    assert read({"sidecar.istio.io/interceptionMode": "TPROXY"}) == (Interception(), ["interception.mode"])
