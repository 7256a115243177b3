"""Protobuf by hand agrees with protobuf."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.api.envoy.service.discovery.v3 import discovery_pb2
from xds.wire import protobuf


@given(st.text(max_size=300), st.binary(max_size=300))
def test_fields_are_read_as_written(name: str, value: bytes) -> None:
    written = protobuf.text(3, name) + protobuf.field(2, protobuf.field(2, value))
    message = discovery_pb2.Resource.FromString(written)
    assert (message.name, message.resource.value) == (name, value)
    assert protobuf.last(message.SerializeToString(), 3) == (name.encode() if name else None)


@given(st.integers(0, 2**63))
def test_varints(number: int) -> None:
    assert protobuf.last(b"\x08" + protobuf.varint(number), 1) == number


@given(st.binary(max_size=20))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(ValueError):
        list(protobuf.fields(body))


@pytest.mark.parametrize("body", [b"\x08", b"\x0a\x05a", b"\x0b", b"\x08" + b"\xff" * 11])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"byte|behind"):
        list(protobuf.fields(body))
