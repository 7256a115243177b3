"""What users may write into the annotation, and what comes of it."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.cni.stated import NotUnderstood, stated
from xds.model.interception import Interception

FULL = Interception(
    inbound_ports=(80,),
    excluded_inbound_ports=(9,),
    outbound_networks=("10.0.0.0/8", "fd00::/8"),
    excluded_networks=("10.1.0.0/16",),
    outbound_ports=(443,),
    excluded_outbound_ports=(25,),
    excluded_interfaces=("eth1",),
)


def test_what_the_webhook_writes_is_read() -> None:
    assert stated("{}") == Interception()
    assert stated(json.dumps(asdict(FULL))) == FULL


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "truncated"),
        ("[]", "Expected `object`"),
        ("*nat\n-A OUTPUT -j DROP\nCOMMIT", "invalid"),
        ('{"rules": "-A OUTPUT -j DROP"}', "'rules' is none of its fields"),
        ('{"outbound_ports": [0]}', "0 is no port"),
        ('{"outbound_ports": ["80 -j ACCEPT"]}', "Expected `int`"),
        ('{"excluded_networks": ["10.0.0.0/8\\n-A OUTPUT -j DROP"]}', "is no network"),
        ('{"excluded_networks": ["0.0.0.0/0 -j ACCEPT"]}', "is no network"),
        ('{"excluded_networks": ["fe80::%x\\n-A OUTPUT -j DROP\\n#/128"]}', "is no network"),
        ('{"outbound_networks": ["fe80::%eth0/128"]}', "is no network"),
        ('{"excluded_interfaces": ["eth0 -j ACCEPT"]}', "is no interface"),
        ('{"excluded_interfaces": ["-j"]}', "is no interface"),
        (json.dumps({"outbound_ports": list(range(1, 300))}), "more than 256 ports"),
        ('{"a": "' + "x" * 20_000 + '"}', "longer than"),
        ("[" * 5_000, ""),
    ],
)
def test_what_is_no_setting_is_refused(text: str, why: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        stated(text)
    assert why in str(refused.value)


@given(
    st.text()
    | st.dictionaries(st.sampled_from([*asdict(FULL), "x"]), st.lists(st.integers() | st.text())).map(json.dumps)
)
def test_anything_is_read_or_refused(text: str) -> None:
    try:
        found = stated(text)
    except NotUnderstood:
        return
    assert isinstance(found, Interception)
