"""Which addresses are of which family, however they are spelled."""

from __future__ import annotations

import pytest

from xds.model.families import Families, families, plain_network, version_of


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ((), Families.IPV4),
        (("10.0.0.1",), Families.IPV4),
        (("10.0.0.1", "fe80::1"), Families.IPV4),
        (("10.0.0.1", "::ffff:10.0.0.2"), Families.IPV4),
        (("fd00::1",), Families.IPV6),
        (("fd00::1", "10.0.0.1"), Families.BOTH),
        (("nonsense", "fd00::%x"), Families.IPV6),
        (("nonsense",), Families.IPV4),
    ],
)
def test_the_families_of_a_proxy(addresses: tuple[str, ...], expected: Families) -> None:
    assert families(addresses) is expected


@pytest.mark.parametrize(
    ("address", "version"),
    [
        ("10.0.0.1", 4),
        ("::ffff:10.0.0.1", 4),
        ("::FFFF:a00:1", 4),
        ("fd00::1", 6),
        ("::1", 6),
        ("unix:///run/x.sock", 0),
        ("web.example", 0),
        ("web.1a", 0),
        ("", 0),
    ],
)
def test_the_family_of_an_address(address: str, version: int) -> None:
    assert version_of(address) == version
    assert Families.BOTH.takes(address)
    assert Families.IPV4.takes(address) is (version != 6)
    assert Families.IPV6.takes(address) is (version != 4)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("10.0.0.1", "10.0.0.1/32"),
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("fd00::/8", "fd00::/8"),
    ],
)
def test_mapped_networks_are_ipv4(text: str, plain: str) -> None:
    assert str(plain_network(text)) == plain
