"""Nothing of a candidate is run, opened or called on the control plane's machine."""

from __future__ import annotations

from typing import Any

import pytest

from xds.prover.candidate import Candidate
from xds.prover.inert import cluster as inert_cluster
from xds.prover.tame import tamed
from xds.wire.codec import decode, encode, from_plain, message_class, to_plain
from xds.wire.type_urls import CLUSTER, EXTENSION, LISTENER, VIRTUAL_HOST

TYPE = "type.googleapis.com/envoy.extensions."
LUA = TYPE + "filters.http.lua.v3."
SCRIPT = "os.execute('id') -- ]] ]=] \n"


def candidate(url: str, plain: dict[str, Any]) -> Candidate:
    return Candidate(url, encode(from_plain(plain, message_class(url)())), "mine")


def extension(kind: str, **fields: Any) -> Candidate:
    return candidate(EXTENSION, {"name": "mine", "typed_config": {"@type": TYPE + kind, **fields}})


def cluster(**fields: Any) -> Candidate:
    return candidate(CLUSTER, {"name": "mine", "connect_timeout": "1s", **fields})


def tcp(**fields: Any) -> dict[str, Any]:
    kind = TYPE + "filters.network.tcp_proxy.v3.TcpProxy"
    return {"name": "tcp", "typed_config": {"@type": kind, "stat_prefix": "t", "cluster": "c", **fields}}


def listener(address: dict[str, Any], *filters: dict[str, Any]) -> Candidate:
    return candidate(LISTENER, {"name": "mine", "address": address, "filter_chains": [{"filters": list(filters)}]})


def file_log(path: str) -> dict[str, Any]:
    return {"name": "file", "typed_config": {"@type": TYPE + "access_loggers.file.v3.FileAccessLog", "path": path}}


PLACE = {"socket_address": {"address": "0.0.0.0", "port_value": 80}}
PEM = {"trusted_ca": {"filename": "/var/lib/plait/ca/ca-key.pem"}}
TLS = {"@type": TYPE + "transport_sockets.tls.v3.UpstreamTlsContext", "common_tls_context": {"validation_context": PEM}}
CALLS = {"api_type": "GRPC", "grpc_services": [{"google_grpc": {"target_uri": "evil:1", "stat_prefix": "e"}}]}
WASM = {"config": {"vm_config": {"code": {"local": {"inline_string": "x"}}}}}
SOURCE = {"filename": "/etc/passwd"}


@pytest.mark.parametrize(
    "each",
    [
        extension("filters.http.wasm.v3.Wasm", **WASM),
        extension("filters.http.dynamic_modules.v3.DynamicModuleFilter", dynamic_module_config={"name": "x"}),
        extension("filters.http.lua.v3.Lua", default_source_code=SOURCE),
        extension("filters.http.lua.v3.Lua", source_codes={"a": SOURCE}),
        cluster(transport_socket={"name": "tls", "typed_config": TLS}),
        cluster(type="EDS", eds_cluster_config={"eds_config": {"api_config_source": CALLS}}),
        cluster(type="EDS", eds_cluster_config={"eds_config": {"path_config_source": {"path": "/etc/passwd"}}}),
        cluster(
            health_checks=[
                {
                    "timeout": "1s",
                    "interval": "1s",
                    "unhealthy_threshold": 1,
                    "healthy_threshold": 1,
                    "tcp_health_check": {},
                    "event_log_path": "/tmp/x",
                }
            ]
        ),
        listener({"pipe": {"path": "/var/lib/plait/ca/ca-key.pem"}}, tcp()),
        listener(PLACE, tcp(access_log=[file_log("/var/lib/plait/ca/x")])),
    ],
)
def test_what_reaches_beyond_the_prover_is_not_given_to_it(each: Candidate) -> None:
    assert tamed(each) is None


@pytest.mark.parametrize(
    "each",
    [
        cluster(type="EDS", eds_cluster_config={"eds_config": {"ads": {}, "resource_api_version": "V3"}}),
        listener(PLACE, tcp(access_log=[file_log("/dev/stdout")])),
        extension("filters.http.fault.v3.HTTPFault"),
        Candidate(CLUSTER, b"\xff\xff", "mine"),
    ],
)
def test_what_is_only_configuration_stays_as_it_is(each: Candidate) -> None:
    assert tamed(each) is each


def test_scripts_are_read_and_not_run() -> None:
    per_route = {"mine": {"@type": LUA + "LuaPerRoute", "source_code": {"inline_string": SCRIPT}}}
    route = {"match": {"prefix": "/"}, "route": {"cluster": "c"}, "typed_per_filter_config": per_route}
    places = [
        extension("filters.http.lua.v3.Lua", default_source_code={"inline_string": SCRIPT}),
        extension("filters.http.lua.v3.Lua", inline_code=SCRIPT),
        extension("filters.http.lua.v3.Lua", source_codes={"a": {"inline_string": SCRIPT}}),
        candidate(VIRTUAL_HOST, {"name": "80/mine", "domains": ["mine"], "routes": [route]}),
    ]
    for each in places:
        harmless = tamed(each)
        assert harmless is not None
        said = str(to_plain(decode(harmless.type_url, harmless.body)))
        assert "assert(loadstring([==[ os.execute" in said


def test_health_checks_reach_nobody() -> None:
    endpoint = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 15000}},
        "health_check_config": {"address": {"socket_address": {"address": "169.254.169.254", "port_value": 80}}},
        "additional_addresses": [{"address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}}}],
    }
    kind = {"name": "envoy.clusters.dns", "typed_config": {"@type": TYPE + "clusters.dns.v3.DnsCluster"}}
    endpoints = {"cluster_name": "mine", "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]}
    made = inert_cluster(cluster(cluster_type=kind, load_assignment=endpoints).body, 1)
    (found,) = made.load_assignment.endpoints[0].lb_endpoints
    assert (found.endpoint.address.socket_address.address, found.endpoint.address.socket_address.port_value) == (
        "127.0.0.1",
        1,
    )
    assert not found.endpoint.health_check_config.HasField("address")
    assert not found.endpoint.additional_addresses
