"""The prover: a private Envoy names exactly the bad ones of many candidates, and costs the rest nothing but time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from xds.prover import search
from xds.prover.beside import Apart, Beside
from xds.prover.candidate import PROVEN, Candidate, Outcome
from xds.prover.proofs import Remembered
from xds.prover.prover import Prover
from xds.wire.codec import encode, from_plain, message_class
from xds.wire.type_urls import CLUSTER, EXTENSION, LISTENER, ROUTE, VIRTUAL_HOST

TYPE = "type.googleapis.com/envoy.extensions."
ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}
ROUTER: dict[str, Any] = {"name": "router", "typed_config": {"@type": TYPE + "filters.http.router.v3.Router"}}
SECRET: dict[str, Any] = {"name": "default", "sds_config": ADS}
TLS: dict[str, Any] = {"@type": TYPE + "transport_sockets.tls.v3.UpstreamTlsContext"}
FILES = {**TLS, "common_tls_context": {"validation_context": {"trusted_ca": {"filename": "/nowhere.pem"}}}}
MINE: dict[str, Any] = {**TLS, "common_tls_context": {"tls_certificate_sds_secret_configs": [SECRET]}}


def candidate(url: str, plain: dict[str, Any]) -> Candidate:
    return Candidate(url, encode(from_plain(plain, message_class(url)())), "mine")


def cluster(**fields: Any) -> Candidate:
    return candidate(CLUSTER, {"name": "mine", "connect_timeout": "1s", **fields})


def eds(**fields: Any) -> Candidate:
    return cluster(type="EDS", eds_cluster_config={"eds_config": ADS}, **fields)


def host(regex: str = ".*", *domains: str) -> Candidate:
    routes = [{"match": {"safe_regex": {"regex": regex}}, "route": {"cluster": "c"}}]
    return candidate(VIRTUAL_HOST, {"name": "80/mine", "domains": domains or ["mine"], "routes": routes})


def listener(address: str = "0.0.0.0", **fields: Any) -> Candidate:
    kind = TYPE + "filters.network.http_connection_manager.v3.HttpConnectionManager"
    manager: dict[str, Any] = {"@type": kind, "stat_prefix": "m"}
    manager |= {"http_filters": [ROUTER], "rds": {"route_config_name": "80", "config_source": ADS}, **fields}
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    place = {"socket_address": {"address": address, "port_value": 80}}
    return candidate(LISTENER, {"name": "mine", "address": place, "filter_chains": [chain]})


def filter_config(kind: str, **fields: Any) -> Candidate:
    return candidate(EXTENSION, {"name": "mine", "typed_config": {"@type": TYPE + kind, **fields}})


def access_log(cluster: str) -> dict[str, Any]:
    common = {"log_name": "l", "grpc_service": {"envoy_grpc": {"cluster_name": cluster}}}
    kind = TYPE + "access_loggers.grpc.v3.HttpGrpcAccessLogConfig"
    return {"name": "grpc", "typed_config": {"@type": kind, "common_config": common}}


GOOD = {
    "eds": eds(),
    "secret that nobody gives": eds(transport_socket={"name": "tls", "typed_config": MINE}),
    "host": host(),
    "two domains": host(".*", "a.x", "*.a.x", "*"),
    "listener": listener(),
    "cluster that is not there": listener(access_log=[access_log("elsewhere")]),
    "route table": candidate(ROUTE, {"name": "80", "vhds": {"config_source": ADS}}),
    "filter": filter_config("filters.http.fault.v3.HTTPFault"),
    "network filter": filter_config("filters.network.rbac.v3.RBAC", stat_prefix="r"),
    "last network filter": filter_config("filters.network.tcp_proxy.v3.TcpProxy", stat_prefix="r", cluster="c"),
}
BAD = {
    "LB policy": cluster(type="ORIGINAL_DST", lb_policy="ROUND_ROBIN"),
    "without an EDS config": cluster(type="EDS"),
    "missing ]": host("["),
    "Duplicate entry of domain a.x in route mine": host(".*", "a.x", "A.x"),
    "malformed IP address": listener("web"),
    "script load error": filter_config("filters.http.lua.v3.Lua", default_source_code={"inline_string": "("}),
}


@pytest.fixture
async def prover(envoy_binary: Path, tmp_path: Path) -> AsyncIterator[Prover]:
    beside = Beside(envoy_binary, tmp_path)
    found, work = await beside.open()
    tasks = [asyncio.create_task(each) for each in work.values()]
    yield found
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await beside.close()


async def test_exactly_the_bad_ones_are_refused(prover: Prover) -> None:
    verdicts = await prover.judge([*GOOD.values(), *BAD.values()])
    assert {name for name, each in GOOD.items() if verdicts[each] is not PROVEN} == set()
    assert {name for name, each in BAD.items() if not verdicts[each].refused} == set()
    for words, each in BAD.items():
        assert words in verdicts[each].reason
        assert "plait-" not in verdicts[each].reason


async def test_one_bad_one_in_a_thousand_is_found(prover: Prover) -> None:
    hosts = [host(f"/{number}") for number in range(1000)]
    verdicts = await prover.judge([*hosts[:500], BAD["missing ]"], *hosts[500:]])
    assert [each for each, verdict in verdicts.items() if verdict.refused] == [BAD["missing ]"]]
    assert prover.counts.responses < 40
    asked = prover.counts.responses
    await prover.judge([*hosts, BAD["missing ]"]])
    assert prover.counts.responses == asked, "what is known is not asked again"


def template(path: str) -> Candidate:
    """A rule by a template of paths that is none ends an Envoy 1.40."""
    kind = {"@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"}
    matcher = "envoy.path.match.uri_template.uri_template_matcher"
    permission = {"uri_template": {"name": matcher, "typed_config": {**kind, "path_template": path}}}
    policy = {"permissions": [permission], "principals": [{"any": True}]}
    return filter_config("filters.http.rbac.v3.RBAC", rules={"action": "ALLOW", "policies": {"p": policy}})


async def test_what_ends_an_envoy_is_found_among_many_and_remembered(prover: Prover, tmp_path: Path) -> None:
    good, deadly = [template(f"/{number}/*") for number in range(60)], [template("/{"), template("/**/{x")]
    async with asyncio.timeout(30):
        verdicts = await prover.judge([*good[:7], deadly[0], *good[7:20], deadly[1], *good[20:], BAD["missing ]"]])
    assert [each for each in good if verdicts[each] is not PROVEN] == []
    assert {verdicts[each].reason for each in deadly} == {"Envoy crashes when it reads it"}
    assert verdicts[BAD["missing ]"]].refused
    remembered = Remembered(tmp_path, prover._remembered.version)
    assert all(each.key in remembered.deadly for each in deadly)
    asked = prover.counts.responses
    assert (await prover.judge(deadly))[deadly[0]].refused
    assert prover.counts.responses == asked


def huge_ring() -> Candidate:
    """A ring that it takes an Envoy a long time to make."""
    hosts = [
        {"endpoint": {"address": {"socket_address": {"address": f"10.0.0.{n}", "port_value": 80}}}} for n in range(100)
    ]
    # One ring a priority: a fast machine makes one in less time than is granted.
    groups = [{"priority": n, "lb_endpoints": hosts[n::4]} for n in range(4)]
    places = {"cluster_name": "mine", "endpoints": groups}
    ring = {"minimum_ring_size": 2**23, "maximum_ring_size": 2**23}
    return cluster(type="STATIC", lb_policy="RING_HASH", ring_hash_lb_config=ring, load_assignment=places)


@pytest.mark.timeout(90)
async def test_what_hangs_an_envoy_is_found_among_many(prover: Prover, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_SURELY_S", 1.5)
    good, hanging = [eds(connect_timeout=f"{number + 1}s") for number in range(60)], huge_ring()
    verdicts = await prover.judge([*good[:30], hanging, *good[30:]])
    assert [each for each in good if verdicts[each] is not PROVEN] == []
    assert verdicts[hanging].reason == "Envoy hangs when it reads it"


async def test_a_file_of_another_machine_is_nobody_s_fault(prover: Prover) -> None:
    each = eds(transport_socket={"name": "tls", "typed_config": FILES})
    assert (await prover.judge([each]))[each].outcome is Outcome.UNPROVEN


async def test_an_envoy_that_ends_is_started_again(prover: Prover) -> None:
    await prover.judge([GOOD["host"]])
    prover._questions._kill()
    each = host("/after")
    assert (await prover.judge([each]))[each] is PROVEN


async def test_one_that_somebody_else_runs(envoy_binary: Path, tmp_path: Path) -> None:
    apart = Apart(tmp_path / "xds", tmp_path / "state")
    prover, work = await apart.open()
    command = (str(envoy_binary), "-c", str(tmp_path / "envoy.json"), "--disable-hot-restart", "-l", "critical")
    running = await asyncio.create_subprocess_exec(*command, "--concurrency", "1")
    task = asyncio.create_task(work["prover"])
    try:
        assert (await prover.judge([GOOD["host"]]))[GOOD["host"]] is PROVEN
        assert (await prover.judge([BAD["missing ]"]]))[BAD["missing ]"]].refused
    finally:
        running.kill()
        await running.wait()
        task.cancel()
        await apart.close()
    assert len(await asyncio.to_thread(lambda: list((tmp_path / "state").iterdir()))) == 1


async def test_nobody_waits_for_an_envoy_that_is_not_there(tmp_path: Path) -> None:
    program = tmp_path / "envoy"
    program.write_text("#!/bin/sh\n[ $1 = --version ] && exit 0\nexit 1\n")
    program.chmod(0o700)
    beside = Beside(program, None)
    prover, work = await beside.open()
    prover._patience_s = 0.5
    tasks = [asyncio.create_task(each) for each in work.values()]
    async with asyncio.timeout(5):
        verdicts = await prover.judge(GOOD.values())
        again = await prover.judge([host("/more")])
    assert {each.outcome for each in (*verdicts.values(), *again.values())} == {Outcome.UNPROVEN}
    assert prover.away
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await beside.close()
