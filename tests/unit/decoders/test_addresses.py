"""Which texts are addresses, and in which form they are sent."""

from __future__ import annotations

import pytest

from xds.decoders.addresses import canonical


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("FE80:0::1", "fe80::1"),
        ("0.0.0.0", None),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("::ffff:0.0.0.0", None),
        ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
        ("::/0", "::/0"),
        ("nowhere", None),
        ("fe80::1%eth0", None),
        ("fe80::%a\nb/128", None),
    ],
)
def test_addresses(text: str, sent: str | None) -> None:
    assert canonical(text) == sent
