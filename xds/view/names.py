"""Names of what is sent to Envoy. They are an interface: istioctl, dashboards and EnvoyFilters know them."""

from __future__ import annotations

from typing import Final

from xds.model.route import Destination

BLACK_HOLE: Final = "BlackHoleCluster"
PASSTHROUGH: Final = "PassthroughCluster"
INBOUND_PASSTHROUGH: Final = "InboundPassthroughCluster"
VIRTUAL_OUTBOUND: Final = "virtualOutbound"
VIRTUAL_INBOUND: Final = "virtualInbound"
HTTP_PROXY: Final = "http_proxy"
DYNAMIC_DNS: Final = "AllowAnyDynamicDNSCluster"
UNKNOWN: Final = "outbound-unknown"  # where connections go that nothing else takes
# Secrets as istio's agents and SPIRE name them: a workload's own certificate, and whom it believes.
CERTIFICATE: Final = "default"
AUTHORITIES: Final = "ROOTCA"
OWN_AUTHORITIES: Final = "ROOTCA-own"  # without those of federated meshes
CONTROL_PLANE: Final = "xds-grpc"  # the bootstrap's cluster of the control plane
OF_AUTHORITIES: Final = "-cacert"  # ends the name of a Secret that holds authorities alone, and of what is sent of them
WORKLOAD_SOCKET: Final = "sds-grpc"  # the bootstrap's cluster of a SPIFFE workload API, where there is one

OUTBOUND_PORT: Final = 15001
INBOUND_PORT: Final = 15006
ADMIN_PORT: Final = 15000
_INBOUND: Final = "inbound|"
# Every sidecar listens there (the last two are the bootstrap's): Envoy refuses a second listener, or a second chain.
TAKEN_PORTS: Final = frozenset({OUTBOUND_PORT, INBOUND_PORT, 15021, 15090})


def outbound_cluster(port: int, subset: str, hostname: str) -> str:
    """``outbound|80|v1|reviews.shop.svc.cluster.local``."""
    return f"outbound|{port}|{subset}|{hostname}"


def beyond(allowed: bool, proxy: Destination | None) -> str:
    """The cluster of what goes to unknown places: of all addresses, of the service that it goes through, or none."""
    if not allowed:
        return BLACK_HOLE
    return PASSTHROUGH if proxy is None else outbound_cluster(proxy.port, proxy.subset, proxy.host)


def connections(port: int, hostname: str) -> str:
    """``outbound|3306||db.shop.svc.cluster.local``: where connections to a service's port go that no route names."""
    return outbound_cluster(port, "", hostname)


def server_name(port: int, subset: str, hostname: str) -> str:
    """``outbound_.80_.v1_.web.shop.svc.cluster.local``: the SNI of the mesh's own connections (istio-semantics 2.3)."""
    return f"outbound_.{port}_.{subset}_.{hostname}"


def branch(connections: str, subnet: str, sni: str) -> str:
    """``outbound|443||web.shop.svc.cluster.local/sni-a.example.com``: where some of those connections go instead."""
    return "/".join(filter(None, (connections, f"sni-{sni}" if sni else "", f"subnet-{subnet}" if subnet else "")))


def bound(bind: str, port: int) -> str:
    """``127.0.0.1_9080``, ``unix:///run/out.sock``: a listener that applications connect to, and its routes."""
    return address_listener(bind, port) if port else bind


def inbound_cluster(port: int) -> str:
    """``inbound|8080||``; the port is the pod's."""
    return f"{_INBOUND}{port}||"


def inbound_routes(port: int) -> str:
    """``inbound|8080||``: the routes of what comes in on the pod's port."""
    return f"{_INBOUND}{port}||"


def is_inbound(name: str) -> bool:
    """Whether that is the name of an inbound cluster or route table."""
    return name.startswith(_INBOUND)


def wildcard_listener(port: int) -> str:
    """``0.0.0.0_80``: HTTP of every address on one port."""
    return f"0.0.0.0_{port}"


def address_listener(address: str, port: int) -> str:
    """``10.96.0.7_3306``: one service address and port."""
    return f"{address}_{port}"


def port_routes(port: int) -> str:
    """``80``: the routes of all HTTP services on one port."""
    return str(port)


def host_routes(hostname: str, port: int) -> str:
    """``web.shop.svc.cluster.local:80``: the routes of one sniffed service's port."""
    return f"{hostname}:{port}"


def virtual_host(route_table: str, hostname: str, port: int) -> str:
    """``80/reviews.shop.svc.cluster.local:80``: a virtual host that travels alone by VHDS carries its table's name."""
    return f"{route_table}/{hostname}:{port}"


def credential(name: str) -> str:
    """``kubernetes://web-tls``: certificate and key of a Secret in the proxy's own namespace."""
    return f"kubernetes://{name}"


def credential_authorities(name: str) -> str:
    """``kubernetes://web-tls-cacert``: whom that Secret says to believe."""
    return f"kubernetes://{name}{OF_AUTHORITIES}"
