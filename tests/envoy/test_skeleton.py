"""The listeners and clusters that every sidecar has, read by the real Envoy."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from xds.local.sidecar import installed_envoy
from xds.model.endpoint import Endpoint, Locality
from xds.model.route import Comparison, RequestMatch, StringMatch
from xds.translators.cds import cluster
from xds.translators.lds import listener
from xds.view import names
from xds.view.specs.clusters import ClusterSpec, Discovery, LocalityGroup, UpstreamProtocol
from xds.view.specs.listeners import Chain, ChainMatch, HttpChain, ListenerSpec, Sniff, TcpChain
from xds.view.specs.routes import WeightedCluster
from xds.wire.codec import to_plain

ENVOY = installed_envoy()
ANY = "0.0.0.0"
SERVICE = names.outbound_cluster(80, "", "b.shop.svc.cluster.local")
EVERYTHING = RequestMatch(path=StringMatch(Comparison.PREFIX, "/"))
HTTP = ChainMatch(transport="raw_buffer", application_protocols=("http/1.1", "h2c"))
HOSTS = (LocalityGroup(Locality("r", "z"), (Endpoint("b.example", 443),)),)

CLUSTERS = (
    ClusterSpec(names.BLACK_HOLE, Discovery.STATIC),
    ClusterSpec(names.PASSTHROUGH, Discovery.ORIGINAL_DST, UpstreamProtocol.DOWNSTREAM),
    ClusterSpec(names.INBOUND_PASSTHROUGH, Discovery.ORIGINAL_DST, source_addresses=("127.0.0.6",)),
    ClusterSpec(names.inbound_cluster(8080), Discovery.ORIGINAL_DST, UpstreamProtocol.DOWNSTREAM),
    ClusterSpec(SERVICE, Discovery.EDS, UpstreamProtocol.HTTP2),
    ClusterSpec("headless", Discovery.ORIGINAL_DST, port_override=8080),
    ClusterSpec("strict", Discovery.STRICT_DNS, endpoints=HOSTS),
    ClusterSpec("logical", Discovery.LOGICAL_DNS, endpoints=HOSTS),
)


def tcp(name: str, *clusters: str, match: ChainMatch | None = None) -> Chain:
    shares = tuple(WeightedCluster(each, 50) for each in clusters)
    return Chain(name, match or ChainMatch(), TcpChain(name, shares))


def inbound_http(port: int) -> HttpChain:
    return HttpChain(f"inbound_{ANY}_{port};", names.inbound_routes(port), outbound=False)


LISTENERS = (
    ListenerSpec(
        names.VIRTUAL_OUTBOUND,
        ANY,
        15001,
        (tcp("blackhole", names.BLACK_HOLE, match=ChainMatch(destination_port=15001)),),
        tcp("catchall", names.PASSTHROUGH),
        bind=True,
        original_destination=True,
    ),
    ListenerSpec(
        names.VIRTUAL_INBOUND,
        ANY,
        15006,
        (
            tcp("blackhole", names.BLACK_HOLE, match=ChainMatch(destination_port=15006)),
            Chain("8080-http", ChainMatch(8080, (), "raw_buffer", ("http/1.1", "h2c")), inbound_http(8080)),
            tcp("8080-tcp", names.inbound_cluster(8080), match=ChainMatch(destination_port=8080)),
        ),
        tcp("catchall", names.INBOUND_PASSTHROUGH),
        outbound=False,
        bind=True,
        original_destination=True,
        sniff=Sniff.BOTH,
        sniff_timeout=timedelta(seconds=1),
        sniffed_ports=(8080, 8081),
    ),
    ListenerSpec(
        names.wildcard_listener(80),
        ANY,
        80,
        (
            tcp("sni", SERVICE, match=ChainMatch(transport="tls", server_names=("b.shop", "*.b.shop"))),
            Chain("http", HTTP, HttpChain("outbound_0.0.0.0_80", names.port_routes(80))),
        ),
        tcp("PassthroughFilterChain", names.PASSTHROUGH),
        sniff=Sniff.BOTH,
    ),
    ListenerSpec(names.address_listener("10.0.0.1", 3306), "10.0.0.1", 3306, (), tcp("tcp", "strict", "logical")),
)


def unshared(value: Any) -> Any:
    """The same without names of shared scopes, by which Envoy 1.40 crashes when it validates, and only then."""
    if isinstance(value, list):
        return [unshared(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: unshared(each) for key, each in value.items() if key != "sharing_name"}


@pytest.mark.envoy
@pytest.mark.skipif(ENVOY is None, reason="no Envoy is installed")
def test_envoy_takes_the_skeleton(tmp_path: Path) -> None:
    grpc = [{"envoy_grpc": {"cluster_name": "xds"}}]
    bootstrap = {
        "node": {"id": "skeleton", "cluster": "skeleton"},
        "dynamic_resources": {"ads_config": {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": grpc}},
        "static_resources": {
            "clusters": [
                {"name": "xds", "type": "STATIC", "connect_timeout": "1s"},
                *(to_plain(cluster(spec)) for spec in CLUSTERS),
            ],
            "listeners": [unshared(to_plain(listener(spec))) for spec in LISTENERS],
        },
    }
    path = tmp_path / "bootstrap.json"
    path.write_text(json.dumps(bootstrap))
    command = [str(ENVOY), "--mode", "validate", "--config-path", str(path), "--log-level", "warning"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr, done.stderr
