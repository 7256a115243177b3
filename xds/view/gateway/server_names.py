"""What a server is called in what its router is sent: its routes, its chains, its certificates.

All of these stand in filter chains, which drain when they change. So the name is made of what an edit of the server
leaves alone: not of its place among the others, nor of its hosts, where the port has a name (Istio wants one).
"""

from __future__ import annotations

from xds.model.gateway import API_GROUP
from xds.model.service import Protocol
from xds.view.gateway.edge_ports import EdgePort, Placed


def server_name(port: EdgePort, placed: Placed) -> str:
    """``https.443.https.front.shop``: by port, port's name, gateway and namespace; unlike that of every other server.

    One whose port has no name (as in the Gateway API) goes by its first host: ``https.443.host:a.test.front.shop``.
    """
    server, gateway = placed.server, placed.gateway
    spoken = "https" if server.protocol is Protocol.HTTPS else "tls"
    own = server.port_name or f"host:{server.hosts[0].host}"
    # No name of a namespace ends like that: else a Gateway of another one could have the same name.
    kind = "~gateway-api" if gateway.group == API_GROUP else ""
    bind = f"~{port.bind}" if port.bind else ""
    return f"{spoken}.{server.port}.{own}.{gateway.name}.{gateway.namespace}{kind}{bind}"


def suffix(bind: str) -> str:
    """What tells names of one address apart from those of all: ``.10.0.0.1``, or nothing."""
    return f".{bind}" if bind else ""
