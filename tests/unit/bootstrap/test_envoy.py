"""Envoy bootstraps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tools.envoy_bootstraps import FOLDER, documents
from xds.bootstrap.credentials import Tls, WatchedToken
from xds.bootstrap.envoy import ControlPlane, OwnPorts, bootstrap, xds_cluster
from xds.bootstrap.node import ProxyNode
from xds.model.endpoint import Locality

NODE = ProxyNode("sidecar", "shop", "web-0", ("10.77.0.2", "fd00::2"), labels={"app": "web"})


def test_node_is_written_as_istio_does() -> None:
    node = bootstrap(NODE, ControlPlane("127.0.0.1:15010"))["node"]
    assert node["id"] == "sidecar~10.77.0.2~web-0.shop~shop.svc.cluster.local"
    assert node["cluster"] == "web.shop"
    assert node["metadata"]["INSTANCE_IPS"] == "10.77.0.2,fd00::2"
    assert "locality" not in node
    there = ProxyNode("router", "shop", "gw", (), locality=Locality("r", "z"), metadata={"MORE": 1}).as_dict()
    assert there["locality"] == {"region": "r", "zone": "z"}
    assert there["metadata"]["MORE"] == 1


@pytest.mark.parametrize(
    ("address", "kind", "endpoint"),
    [
        ("10.1.2.3:15010", "STATIC", {"socket_address": {"address": "10.1.2.3", "port_value": 15010}}),
        ("[::1]:15010", "STATIC", {"socket_address": {"address": "::1", "port_value": 15010}}),
        ("plait.svc:15010", "STRICT_DNS", {"socket_address": {"address": "plait.svc", "port_value": 15010}}),
        ("unix:/run/x.sock", "STATIC", {"pipe": {"path": "/run/x.sock"}}),
    ],
)
def test_control_plane_addresses(address: str, kind: str, endpoint: dict[str, object]) -> None:
    cluster = xds_cluster(ControlPlane(address))
    assert cluster["type"] == kind
    assert cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] == endpoint


def test_an_address_needs_a_port() -> None:
    with pytest.raises(ValueError, match="must be host:port"):
        xds_cluster(ControlPlane("plait.svc"))


def test_tls_and_own_ports() -> None:
    plane = ControlPlane("plait.svc:15012", Tls("plait.svc", Path("/ca.pem")))
    whole = bootstrap(NODE, plane, OwnPorts(admin=1, health=0, metrics=2))
    context = whole["static_resources"]["clusters"][0]["transport_socket"]["typed_config"]
    assert context["sni"] == "plait.svc"
    assert [listener["name"] for listener in whole["static_resources"]["listeners"]] == ["metrics"]


def test_shipped_files_are_up_to_date() -> None:
    written = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert written == documents(), "run: python -m tools.envoy_bootstraps"
    assert all(yaml.safe_load(text)["node"]["id"] for name, text in written.items() if name.endswith(".yaml"))


def test_a_token_is_watched() -> None:
    token = WatchedToken(Path("/run/t/token"), Path("/etc/t/sds.json"))
    cluster = xds_cluster(ControlPlane("plait.svc:15010", token=token))
    (options,) = cluster["typed_extension_protocol_options"].values()
    assert [each["name"] for each in options["http_filters"]][-1] == "envoy.filters.http.upstream_codec"
    secret = options["http_filters"][0]["typed_config"]["credential"]["typed_config"]["credential"]
    source = {"path": "/etc/t/sds.json", "watched_directory": {"path": "/run/t"}}
    assert secret["sds_config"]["path_config_source"] == source
    (resource,) = json.loads(token.sds)["resources"]
    assert resource["name"] == secret["name"]
    assert resource["generic_secret"]["secret"]["filename"] == "/run/t/token"


def test_certificates_are_watched() -> None:
    files = Path("/tls/ca.pem"), Path("/tls/cert.pem"), Path("/tls/key.pem")
    tls = Tls("plait.svc", *files, sds_folder=Path("/sds"))
    context = tls.transport_socket()["typed_config"]["common_tls_context"]
    trust = context["combined_validation_context"]
    assert trust["default_validation_context"]["match_typed_subject_alt_names"][0]["matcher"] == {"exact": "plait.svc"}
    named = [trust["validation_context_sds_secret_config"], *context["tls_certificate_sds_secret_configs"]]
    paths = {Path(each["sds_config"]["path_config_source"]["path"]): each["name"] for each in named}
    written = {path: json.loads(text)["resources"][0]["name"] for path, text in tls.sds_files.items()}
    assert written == paths
    assert "tls_certificates" not in context
    assert Tls("plait.svc", *files).sds_files == {}
    assert len(Tls("plait.svc", files[0], sds_folder=Path("/sds")).sds_files) == 1


def test_a_workload_api_beside_the_proxy() -> None:
    whole = bootstrap(NODE, ControlPlane("10.1.2.3:15010"), workload_socket=Path("/run/spire/agent.sock"))
    cluster = next(each for each in whole["static_resources"]["clusters"] if each["name"] == "sds-grpc")
    (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"] == {"pipe": {"path": "/run/spire/agent.sock"}}
    assert whole["node"]["metadata"]["WORKLOAD_SDS"] == "socket"
    assert "WORKLOAD_SDS" not in bootstrap(NODE, ControlPlane("10.1.2.3:15010"))["node"]["metadata"]
