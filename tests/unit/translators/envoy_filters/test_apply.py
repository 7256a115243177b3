"""Patches on messages: what each operation makes of each kind of thing, and that none ever raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.config.listener.v3.listener_pb2 import Listener
from xds.api.envoy.config.route.v3.route_components_pb2 import VirtualHost
from xds.api.envoy.config.route.v3.route_pb2 import RouteConfiguration
from xds.model.patch import ApplyTo, ClusterIs, ListenerIs, Operation, Patch, RoutesAre, Traffic
from xds.model.refs import FieldRef, ObjectRef
from xds.translators.envoy_filters.apply import apply
from xds.translators.envoy_filters.values import MESSAGES, Unreadable, read
from xds.wire import codec

AT = FieldRef(ObjectRef("networking.istio.io", "EnvoyFilter", "shop", "f"), ("spec", "configPatches", 0))
HCM = "envoy.filters.network.http_connection_manager"
EXTENSIONS = "type.googleapis.com/envoy.extensions."
MANAGER = EXTENSIONS + "filters.network.http_connection_manager.v3.HttpConnectionManager"
LUA = EXTENSIONS + "filters.http.lua.v3.Lua"
ROUTER = EXTENSIONS + "filters.http.router.v3.Router"
Plain = dict[str, Any]


def http_filter(name: str, kind: str = LUA) -> Plain:
    return {"name": name, "typed_config": {"@type": kind}}


def chain(name: str, port: int, *filters: str) -> Plain:
    named = [http_filter(each) for each in filters]
    manager = {
        "@type": MANAGER,
        "stat_prefix": name,
        "route_config": {"name": f"inbound|{port}||", "virtual_hosts": [{"name": "all", "domains": ["*"]}]},
        "http_filters": [*named, http_filter("router", ROUTER)],
    }
    match = {"destination_port": port, "transport_protocol": "tls", "application_protocols": ["h2", "istio"]}
    return {"name": name, "filter_chain_match": match, "filters": [{"name": HCM, "typed_config": manager}]}


def listener() -> Listener:
    plain = {
        "name": "virtualInbound",
        "listener_filters": [{"name": "tls"}, {"name": "http"}],
        "filter_chains": [chain("a", 80, "authorization-deny", "x"), chain("b", 81, "x")],
        "default_filter_chain": {"name": "rest", "filters": [{"name": "tcp"}]},
    }
    return codec.from_plain(plain, Listener())


def patch(to: ApplyTo, operation: Operation, value: Plain | None = None, where: Any = None) -> Patch:
    message = read(to, value or {})
    typed = getattr(message, "typed_config", None) if to is ApplyTo.HTTP_FILTER else None
    return Patch(
        AT,
        to,
        operation,
        Traffic.ANY,
        where,
        name=str(getattr(message, "name", "")),
        config=typed.type_url if typed is not None else "",
        value=codec.encode(message),
    )


def applied(message: Any, wanted: Patch, apart: tuple[str, ...] = ("new",)) -> tuple[int, str]:
    (outcome,) = apply(message, (wanted,), frozenset(apart))
    return outcome.touched, outcome.problem


def managers(found: Listener) -> list[Plain]:
    plain = codec.to_plain(found)
    return [each["filters"][0]["typed_config"] for each in plain["filter_chains"]]


def names(found: Listener) -> list[list[str]]:
    return [[each["name"] for each in manager["http_filters"]] for manager in managers(found)]


NEW = http_filter("new")


@pytest.mark.parametrize(
    ("operation", "pivot", "port", "then"),
    [
        (Operation.INSERT_FIRST, "", 80, ["new", "authorization-deny", "x", "router"]),
        (Operation.INSERT_BEFORE, "", 80, ["new", "authorization-deny", "x", "router"]),
        (Operation.INSERT_BEFORE, "router", 80, ["authorization-deny", "x", "new", "router"]),
        (Operation.INSERT_BEFORE, "envoy.filters.http.rbac", 80, ["new", "authorization-deny", "x", "router"]),
        (Operation.INSERT_AFTER, "envoy.filters.http.rbac", 80, ["authorization-deny", "new", "x", "router"]),
        (Operation.INSERT_AFTER, "x", 80, ["authorization-deny", "x", "new", "router"]),
        (Operation.INSERT_AFTER, "", 80, ["authorization-deny", "x", "new", "router"]),
        (Operation.ADD, "", 80, ["authorization-deny", "x", "new", "router"]),
        (Operation.REMOVE, "x", 80, ["authorization-deny", "router"]),
        (Operation.REPLACE, "x", 80, ["authorization-deny", "new", "router"]),
        (Operation.INSERT_BEFORE, "nobody", 80, ["authorization-deny", "x", "router"]),
        (Operation.INSERT_FIRST, "", 99, ["authorization-deny", "x", "router"]),
    ],
)
def test_http_filters(operation: Operation, pivot: str, port: int, then: list[str]) -> None:
    found = listener()
    where = ListenerIs(port=port, filter=HCM, http_filter=pivot)
    applied(found, patch(ApplyTo.HTTP_FILTER, operation, NEW, where))
    assert names(found) == [then, ["x", "router"]]


def test_a_filter_may_not_stand_behind_the_router_nor_a_policy_go() -> None:
    found = listener()
    behind = patch(ApplyTo.HTTP_FILTER, Operation.INSERT_AFTER, NEW, ListenerIs(http_filter="router"))
    assert applied(found, behind)[1].startswith("must stand before the last filter")
    for name in ("authorization-deny", ""):
        away = patch(ApplyTo.HTTP_FILTER, Operation.REMOVE, {}, ListenerIs(http_filter=name))
        assert applied(found, away)[1].startswith("must name a filter that is not the mesh's own policy")
    assert found == listener()


def test_a_filter_is_known_by_what_is_merged_into_it() -> None:
    found = listener()
    script = {**http_filter("x"), "typed_config": {"@type": LUA, "inline_code": "y"}}
    assert applied(found, patch(ApplyTo.HTTP_FILTER, Operation.MERGE, script)) == (2, "")
    changed = [each for manager in managers(found) for each in manager["http_filters"] if "inline_code" in str(each)]
    assert [each["name"] for each in changed] == ["x", "x"]


def test_an_inserted_http_filter_has_its_content_by_ecds() -> None:
    found = listener()
    applied(found, patch(ApplyTo.HTTP_FILTER, Operation.INSERT_FIRST, NEW), apart=())
    first = managers(found)[0]["http_filters"][0]
    assert first["name"] == "new"
    assert LUA in first["config_discovery"]["type_urls"]
    assert first["config_discovery"]["default_config"]["@type"].endswith("http.rbac.v3.RBAC")


def test_options_of_managers_are_merged_into_what_is_there() -> None:
    found = listener()
    value = {"name": HCM, "typed_config": {"@type": MANAGER, "server_name": "s", "stream_idle_timeout": "2s"}}
    wanted = patch(ApplyTo.NETWORK_FILTER, Operation.MERGE, value, ListenerIs(filter=HCM, chain="a"))
    assert applied(found, wanted) == (1, "")
    first, second = managers(found)
    assert (first["server_name"], first["stat_prefix"], len(first["http_filters"])) == ("s", "a", 3)
    assert "server_name" not in second


@pytest.mark.parametrize(
    ("where", "then"),
    [
        (ListenerIs(), ["a", "b", "rest"]),
        (ListenerIs(chain="b"), ["b"]),
        (ListenerIs(port=81), ["b"]),
        (ListenerIs(destination_port=80), ["a"]),
        (ListenerIs(transport="tls"), ["a", "b"]),
        (ListenerIs(application_protocols=("istio", "h2")), ["a", "b"]),
        (ListenerIs(application_protocols=("http/1.1",)), []),
        (ListenerIs(sni="x.example"), []),
        (ListenerIs(filter="tcp"), ["rest"]),
    ],
)
def test_chains_are_told_apart(where: ListenerIs, then: list[str]) -> None:
    found = listener()
    applied(found, patch(ApplyTo.FILTER_CHAIN, Operation.MERGE, {"transport_socket_connect_timeout": "3s"}, where))
    chains = [*found.filter_chains, found.default_filter_chain]
    assert [each.name for each in chains if each.HasField("transport_socket_connect_timeout")] == then


def test_chains_come_and_go_but_one_stays() -> None:
    found = listener()
    assert applied(found, patch(ApplyTo.FILTER_CHAIN, Operation.ADD, {"name": "c"})) == (1, "")
    assert applied(found, patch(ApplyTo.FILTER_CHAIN, Operation.REMOVE, {}, ListenerIs(chain="a"))) == (1, "")
    assert [each.name for each in found.filter_chains] == ["b", "c"]
    assert applied(found, patch(ApplyTo.FILTER_CHAIN, Operation.REMOVE))[1].startswith("must leave virtualInbound")
    assert [each.name for each in found.filter_chains] == ["b", "c"]


def test_listeners_and_their_filters() -> None:
    found = listener()
    applied(found, patch(ApplyTo.LISTENER, Operation.MERGE, {"name": "y", "tcp_backlog_size": 9}))
    applied(found, patch(ApplyTo.LISTENER_FILTER, Operation.ADD, {"name": "last"}))
    applied(found, patch(ApplyTo.LISTENER_FILTER, Operation.INSERT_FIRST, {"name": "first"}))
    applied(found, patch(ApplyTo.LISTENER_FILTER, Operation.REMOVE, {}, ListenerIs(listener_filter="tls")))
    assert (found.name, found.tcp_backlog_size.value) == ("virtualInbound", 9)
    assert [each.name for each in found.listener_filters] == ["first", "http", "last"]


def table() -> RouteConfiguration:
    routes = [{"name": "one", "match": {"prefix": "/1"}, "redirect": {}}, {"name": "two", "match": {"prefix": "/"}}]
    routes[1]["route"] = {"cluster": "c", "timeout": "1.5s"}
    hosts = [{"name": "80/a:80", "domains": ["a"], "routes": routes}, {"name": "b", "domains": ["*"]}]
    return codec.from_plain({"name": "80", "virtual_hosts": hosts}, RouteConfiguration())


def route(name: str) -> Plain:
    return {"name": name, "match": {"prefix": "/"}}


@pytest.mark.parametrize(
    ("operation", "where", "then"),
    [
        (Operation.ADD, RoutesAre(virtual_host="a:80"), ["one", "two", "new"]),
        (Operation.INSERT_FIRST, RoutesAre(domain="a"), ["new", "one", "two"]),
        (Operation.INSERT_BEFORE, RoutesAre(route="two"), ["one", "new", "two"]),
        (Operation.INSERT_AFTER, RoutesAre(action="REDIRECT"), ["one", "new", "two"]),
        (Operation.REMOVE, RoutesAre(action="ROUTE"), ["one"]),
        (Operation.REMOVE, RoutesAre(virtual_host="c:80"), ["one", "two"]),
    ],
)
def test_routes(operation: Operation, where: RoutesAre, then: list[str]) -> None:
    found = table()
    applied(found, patch(ApplyTo.HTTP_ROUTE, operation, route("new"), where))
    assert [each.name for each in found.virtual_hosts[0].routes] == then


def test_a_timeout_is_replaced_and_not_added_up() -> None:
    found = table().virtual_hosts[0]
    wanted = patch(ApplyTo.HTTP_ROUTE, Operation.MERGE, {"route": {"timeout": "2s"}}, RoutesAre(route="two"))
    assert applied(found, wanted) == (1, "")
    assert codec.to_plain(found)["routes"][1]["route"] == {"cluster": "c", "timeout": "2s"}


def test_virtual_hosts() -> None:
    found = table()
    twice = patch(ApplyTo.VIRTUAL_HOST, Operation.ADD, {"name": "c", "domains": ["a"]})
    assert applied(found, twice)[1].startswith("must have domains that no virtual host of 80 has")
    assert applied(found, patch(ApplyTo.VIRTUAL_HOST, Operation.ADD, {"name": "c", "domains": ["c"]})) == (1, "")
    assert applied(found, patch(ApplyTo.VIRTUAL_HOST, Operation.REMOVE, {}, RoutesAre(virtual_host="b"))) == (1, "")
    assert applied(found, patch(ApplyTo.ROUTE_CONFIGURATION, Operation.MERGE, {"name": "n", "vhds": {}})) == (1, "")
    assert (found.name, [each.name for each in found.virtual_hosts]) == ("80", ["80/a:80", "c"])


def test_lists_grow_or_are_replaced() -> None:
    def host() -> VirtualHost:
        return VirtualHost(name="b", domains=["*"], request_headers_to_remove=["a"])

    added, replaced = host(), host()
    value = {"request_headers_to_remove": ["b"]}
    applied(added, patch(ApplyTo.VIRTUAL_HOST, Operation.MERGE, value))
    applied(replaced, patch(ApplyTo.VIRTUAL_HOST, Operation.MERGE_AND_REPLACE_LIST, value))
    assert (list(added.request_headers_to_remove), list(replaced.request_headers_to_remove)) == (["a", "b"], ["b"])


def test_extensions_of_clusters_are_merged_by_type() -> None:
    key, url = "http", EXTENSIONS + "upstreams.http.v3.HttpProtocolOptions"
    http1: Plain = {"explicit_http_config": {"http_protocol_options": {}}}
    plain = {"name": "c", "typed_extension_protocol_options": {key: {"@type": url, **http1}}}
    found = codec.from_plain(plain, Cluster())
    idle = {"@type": url, "common_http_protocol_options": {"idle_timeout": "3s"}}
    value = {"name": "other", "typed_extension_protocol_options": {key: idle}}
    assert applied(found, patch(ApplyTo.CLUSTER, Operation.MERGE, value, ClusterIs())) == (1, "")
    then = codec.to_plain(found)
    assert then["name"] == "c"
    assert then["typed_extension_protocol_options"][key] == {**idle, **http1}


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({"nam": "x"}, (), 'has no field named "nam"'),
        ({"typed_config": {"@type": LUA, "code": ""}}, ("typed_config",), 'has no field named "code"'),
        ({"typed_config": {"@type": "type.googleapis.com/istio.Stats"}}, ("typed_config",), "istio.Stats"),
        ({"typed_config": {"inline_code": ""}}, ("typed_config",), "@type is missing"),
        ({"name": 3}, (), "string"),
    ],
)
def test_what_is_no_message_is_named(value: Plain, path: tuple[str, ...], message: str) -> None:
    with pytest.raises(Unreadable) as told:
        read(ApplyTo.HTTP_FILTER, value)
    assert told.value.path == path
    assert message in told.value.message


def test_a_typed_struct_is_the_type_that_it_names() -> None:
    struct = {"@type": "type.googleapis.com/udpa.type.v1.TypedStruct", "type_url": LUA, "value": {"inline_code": "s"}}
    found = read(ApplyTo.HTTP_FILTER, {"name": "x", "typed_config": struct})
    assert codec.to_plain(found)["typed_config"] == {"@type": LUA, "inline_code": "s"}


words = st.sampled_from(["", "a", "b", "x", "router", "80/a:80", "one", "80", HCM, "tcp", "*"])
ports = st.sampled_from([0, 80, 81])
places = st.one_of(
    st.none(),
    st.builds(ListenerIs, ports, words, words, words, words, words, st.tuples(), ports, words, words),
    st.builds(RoutesAre, ports, words, words, words, words, st.sampled_from(["", "ROUTE", "REDIRECT"])),
)
VALUES: tuple[Plain, ...] = ({}, {"name": "x"}, {"name": "x", "typed_config": {"@type": LUA}}, {"domains": ["q"]})


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ApplyTo), st.sampled_from(Operation), st.sampled_from(VALUES), places, st.integers(0, 3))
def test_no_patch_ever_raises(to: ApplyTo, operation: Operation, value: Plain, where: Any, which: int) -> None:
    fields = MESSAGES[to].DESCRIPTOR.fields_by_name
    wanted = patch(to, operation, {name: each for name, each in value.items() if name in fields}, where)
    message = (listener(), table(), table().virtual_hosts[0], Cluster(name="c"))[which]
    name = message.name
    (outcome,) = apply(message, (wanted,), frozenset())
    assert message.name == name
    assert codec.encode(message)
    assert outcome.touched == 0 or not outcome.problem
