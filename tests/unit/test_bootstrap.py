"""Envoy bootstraps."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tools.envoy_bootstraps import FOLDER, documents
from xds.bootstrap import ControlPlane, OwnPorts, ProxyNode, Tls, bootstrap, xds_cluster
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
