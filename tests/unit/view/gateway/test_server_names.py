"""Servers' names: no two servers, of whichever namespaces, have the same one, nor do their certificates."""

from __future__ import annotations

from xds.model.gateway import API_GROUP, ISTIO_GROUP, Server, ServerHost
from xds.model.refs import ObjectRef
from xds.model.service import Protocol
from xds.view.gateway.credentials import believed_name, shown_name
from xds.view.gateway.edge_ports import EdgePort, Placed, PortKind
from xds.view.gateway.server_names import server_name

SERVER = Server("p", 443, Protocol.HTTPS, (ServerHost("a.test"),), port_name="p")


def name_of(group: str, namespace: str, name: str, bind: str = "") -> str:
    placed = Placed(ObjectRef(group, "Gateway", namespace, name), SERVER)
    return server_name(EdgePort(bind, 443, PortKind.TLS, (placed,)), placed)


def test_a_namespace_cannot_be_called_so_that_its_servers_have_anothers_names() -> None:
    assert name_of(API_GROUP, "shop", "front") != name_of(ISTIO_GROUP, "gateway-api", "front.shop")
    assert name_of(ISTIO_GROUP, "shop", "front", "10.0.0.1") != name_of(ISTIO_GROUP, "1", "front.shop.10.0.0")
    assert believed_name(name_of(ISTIO_GROUP, "shop", "front")) != shown_name(
        name_of(ISTIO_GROUP, "shop-cacert", "front")
    )
