"""Envoy's own rules, as they stand in its descriptors, refuse what Envoy would refuse, and name the field."""

from __future__ import annotations

from typing import Any

import pytest

from xds.validation import violations
from xds.wire.codec import from_plain, message_class, pack
from xds.wire.type_urls import CLUSTER, ENDPOINT, EXTENSION, LISTENER, VIRTUAL_HOST

TYPE = "type.googleapis.com/"
ROUTE = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}
HOST = {"name": "h", "domains": ["a"]}
LUA = TYPE + "envoy.extensions.filters.http.lua.v3.Lua"
LIMIT = TYPE + "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"


def endpoint(address: str, weight: int = 1) -> dict[str, Any]:
    place = {"address": {"socket_address": {"address": address, "port_value": 80}}}
    return {"endpoint": place, "load_balancing_weight": weight}


def assignment(*endpoints: dict[str, Any], **locality: Any) -> dict[str, Any]:
    return {"cluster_name": "c", "endpoints": [{"lb_endpoints": list(endpoints), **locality}]}


def said(url: str, plain: dict[str, Any]) -> list[str]:
    return [str(each) for each in violations(from_plain(plain, message_class(url)()))]


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        (CLUSTER, {"name": "c", "connect_timeout": "1s"}),
        (ENDPOINT, assignment(endpoint("10.0.0.1"), endpoint("fd00::1"))),
        (VIRTUAL_HOST, {**HOST, "routes": [ROUTE]}),
        (VIRTUAL_HOST, {**HOST, "request_headers_to_add": [{"header": {"key": "x", "value": "y"}}]}),
        (EXTENSION, {"name": "e", "typed_config": {"@type": LUA}}),
    ],
)
def test_what_envoy_takes_breaks_no_rule(url: str, plain: dict[str, Any]) -> None:
    assert said(url, plain) == []


@pytest.mark.parametrize(
    ("url", "plain", "wanted"),
    [
        (CLUSTER, {}, "name: must have at least 1 characters"),
        (CLUSTER, {"name": "c", "connect_timeout": "0s"}, "connect_timeout: must be more than 0.0 seconds"),
        (CLUSTER, {"name": "c", "cleanup_interval": "-1s"}, "cleanup_interval: must not be a negative duration"),
        (CLUSTER, {"name": "c", "lb_policy": 77}, "lb_policy: must be a value that Envoy knows"),
        (
            CLUSTER,
            {"name": "c", "outlier_detection": {"max_ejection_percent": 101}},
            "outlier_detection.max_ejection_percent: must be at most 100",
        ),
        (ENDPOINT, assignment(endpoint("10.0.0.1", 0)), "endpoints[0].lb_endpoints[0].load_balancing_weight: must be"),
        (ENDPOINT, assignment(endpoint("web")), "must be an IP address"),
        (ENDPOINT, assignment(priority=200), "endpoints[0].priority: must be at most 128"),
        (VIRTUAL_HOST, {"name": "h"}, "domains: must have at least 1"),
        (VIRTUAL_HOST, {**HOST, "routes": [{"match": {"prefix": "/"}}]}, "routes[0].action: must be set"),
        (VIRTUAL_HOST, {**HOST, "routes": [{"route": {"cluster": "c"}}]}, "routes[0].match: must be set"),
        (
            VIRTUAL_HOST,
            {**HOST, "request_headers_to_add": [{"header": {"key": "a\nb"}}]},
            "request_headers_to_add[0].header.key: must not have line breaks",
        ),
        (EXTENSION, {"name": "e", "typed_config": {"@type": LIMIT}}, "typed_config.stat_prefix: must have at least 1"),
        (LISTENER, {"name": "l", "address": {"socket_address": {"address": "::", "port_value": 70_000}}}, "65535"),
    ],
)
def test_what_envoy_refuses_is_named_with_its_field(url: str, plain: dict[str, Any], wanted: str) -> None:
    assert wanted in "; ".join(said(url, plain))


def test_a_required_member_of_a_oneof_is_asked_for_only_where_it_is_the_one() -> None:
    exact = {"match": {"path": "/a"}, "redirect": {}}
    assert said(VIRTUAL_HOST, {**HOST, "routes": [exact]}) == []


def test_an_any_that_is_not_of_its_type_is_refused() -> None:
    config = message_class(EXTENSION)(name="e")
    config.typed_config.type_url = LUA  # type: ignore[attr-defined]
    config.typed_config.value = b"\xff\xff"  # type: ignore[attr-defined]
    assert "typed_config: must be a envoy.extensions.filters.http.lua.v3.Lua" in map(str, violations(config))


def test_an_any_of_a_type_that_we_do_not_know_is_left_to_envoy() -> None:
    config = message_class(EXTENSION)(name="e", typed_config=pack(message_class(CLUSTER)()))
    config.typed_config.type_url = TYPE + "some.Where"  # type: ignore[attr-defined]
    assert violations(config) == ()
