"""The codec: equal messages make equal bytes, and what is written as plain values reads back as the same message."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from google.protobuf import any_pb2, empty_pb2, json_format, struct_pb2, wrappers_pb2
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from xds.api.envoy.config.cluster.v3 import cluster_pb2
from xds.api.envoy.config.core.v3 import base_pb2, extension_pb2
from xds.api.envoy.config.endpoint.v3 import endpoint_components_pb2, load_report_pb2
from xds.wire import codec

ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def test_equal_messages_have_equal_bytes() -> None:
    one, two = base_pb2.Metadata(), base_pb2.Metadata()
    for name in ("b", "a", "c"):
        one.filter_metadata[name].update({"x": 1})
    for name in ("c", "b", "a"):
        two.filter_metadata[name].update({"x": 1})
    assert codec.encode(one) == codec.encode(two)
    assert codec.pack(one) == codec.pack(two)


def test_pack_names_the_type() -> None:
    packed = codec.pack(cluster_pb2.Cluster(name="a"))
    assert packed.type_url == "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    assert codec.decode(packed.type_url, packed.value) == cluster_pb2.Cluster(name="a")


def test_wrappers_keep_zero_and_false() -> None:
    assert codec.u32(0) == wrappers_pb2.UInt32Value(value=0)
    assert codec.boolean(False) == wrappers_pb2.BoolValue(value=False)
    assert codec.to_plain(cluster_pb2.Cluster(per_connection_buffer_limit_bytes=codec.u32(0))) == {
        "per_connection_buffer_limit_bytes": 0
    }


@given(st.timedeltas())
def test_duration_is_exact(value: timedelta) -> None:
    made = codec.duration(value)
    assert timedelta(seconds=made.seconds, microseconds=made.nanos // 1000) == value
    assert made.seconds * made.nanos >= 0


def test_any_type_is_found_without_import() -> None:
    code = f"""
import sys
from xds.wire import codec
plain = codec.to_plain(({ROUTER!r}, b"\\x20\\x01"))
assert plain == {{"suppress_envoy_headers": True}}, plain
assert not any("lua" in name for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_any_in_an_any_is_expanded() -> None:
    inner = extension_pb2.TypedExtensionConfig(
        name="inner", typed_config=any_pb2.Any(type_url=ROUTER, value=b"\x20\x01")
    )
    outer = extension_pb2.TypedExtensionConfig(name="outer", typed_config=codec.pack(inner))
    plain = codec.to_plain(outer)
    assert plain == {
        "name": "outer",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": "inner",
            "typed_config": {"@type": ROUTER, "suppress_envoy_headers": True},
        },
    }
    assert codec.from_plain(plain, extension_pb2.TypedExtensionConfig()) == outer


def test_an_any_by_itself_is_expanded() -> None:
    plain = codec.to_plain(codec.pack(cluster_pb2.Cluster(name="a")))
    assert plain == {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "a"}


@pytest.mark.parametrize(
    "value", [wrappers_pb2.StringValue(value="a"), struct_pb2.Struct(), empty_pb2.Empty(), codec.duration(timedelta(1))]
)
def test_a_well_known_type_in_an_any_reads_back(value: Message) -> None:
    config = extension_pb2.TypedExtensionConfig(name="a", typed_config=codec.pack(value))
    plain = codec.to_plain(config)
    assert codec.from_plain(plain, extension_pb2.TypedExtensionConfig()) == config
    assert plain == json_format.MessageToDict(config, preserving_proto_field_name=True)


def test_an_unknown_type_keeps_its_bytes() -> None:
    config = extension_pb2.TypedExtensionConfig(typed_config=any_pb2.Any(type_url="a/no.such.Type", value=b"\x01"))
    assert codec.to_plain(config) == {"typed_config": {"@type": "a/no.such.Type", "value": "AQ=="}}
    with pytest.raises(codec.UnknownType, match=r"^no\.such\.Type is no message type of Envoy's API$"):
        codec.decode("a/no.such.Type", b"")
    with pytest.raises(json_format.ParseError, match="typed_config"):
        codec.from_plain(codec.to_plain(config), extension_pb2.TypedExtensionConfig())


def test_numbers_are_numbers() -> None:
    stats = load_report_pb2.UpstreamLocalityStats(total_successful_requests=2**60, priority=3)
    assert codec.to_plain(stats) == {"total_successful_requests": 2**60, "priority": 3}
    assert codec.from_plain(codec.to_plain(stats), load_report_pb2.UpstreamLocalityStats()) == stats
    slow = cluster_pb2.Cluster.SlowStartConfig(aggression=base_pb2.RuntimeDouble(default_value=0.1, runtime_key="k"))
    assert codec.to_plain(slow) == {"aggression": {"default_value": 0.1, "runtime_key": "k"}}


def test_maps_enums_and_bytes() -> None:
    endpoint = endpoint_components_pb2.LbEndpoint(health_status="DRAINING")
    endpoint.metadata.filter_metadata["b"].update({"n": 1.5})
    endpoint.metadata.filter_metadata["a"].update({"n": [True, None]})
    plain = codec.to_plain(endpoint)
    assert plain == {
        "health_status": "DRAINING",
        "metadata": {"filter_metadata": {"a": {"n": [True, None]}, "b": {"n": 1.5}}},
    }
    assert list(plain["metadata"]["filter_metadata"]) == ["a", "b"]
    assert codec.from_plain(plain, endpoint_components_pb2.LbEndpoint()) == endpoint
    assert codec.to_plain(base_pb2.DataSource(inline_bytes=b"\x00\xff")) == {"inline_bytes": "AP8="}


def test_a_wrong_field_is_named() -> None:
    with pytest.raises(json_format.ParseError, match="connect_timeut"):
        codec.from_plain({"connect_timeut": "1s"}, cluster_pb2.Cluster())
