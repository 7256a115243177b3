"""Random Istio Gateways and the routers that they are for, in the small world of ``histories``."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.proxy import Proxy

BOUND: tuple[dict[str, Any], ...] = (
    *({}, {}, {}),
    {"gateways": ["front"]},
    {"gateways": ["a/front", "mesh"]},
    {"gateways": ["b/back"]},
)
"""What VirtualServices say of gateways: nothing, mostly."""

# The first is a pod of this world by name, and may be given Secrets while that has its labels and account.
ROUTERS = tuple(
    Proxy(
        f"router-{number}",
        namespace=namespace,
        name=f"pod-{number}",
        labels=labels(own),
        kind="router",
        vhds=vhds,
        identity=identity,
    )
    for number, (namespace, own, vhds, identity) in enumerate(
        [
            ("a", {"app": "web"}, True, Identity.ADS),
            ("b", {"istio": "edge", "app": "web"}, False, Identity.NONE),
        ]
    )
)

_HOSTS = st.lists(
    st.sampled_from(["*", "web.a.svc.cluster.local", "out.example.com", "*.example.com", "b/*", "./web"]),
    min_size=1,
    max_size=2,
    unique=True,
)
_SERVERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("HTTP", {}),
    ("HTTP", {"tls": {"httpsRedirect": True}}),
    ("HTTPS", {"tls": {"mode": "SIMPLE", "credentialName": "cred"}}),
    ("HTTPS", {"tls": {"mode": "MUTUAL", "credentialName": "cred"}}),
    ("HTTPS", {"tls": {"mode": "ISTIO_MUTUAL"}}),
    ("TLS", {"tls": {"mode": "PASSTHROUGH"}}),
    ("TLS", {"tls": {"mode": "AUTO_PASSTHROUGH"}}),
    ("TCP", {}),
)


@st.composite
def gateways(draw: st.DrawFn) -> dict[str, Any]:
    """A Gateway of up to three servers, on ports on which they meet."""
    servers = []
    for number, (protocol, tls) in enumerate(draw(st.lists(st.sampled_from(_SERVERS), min_size=1, max_size=3))):
        port = {"number": draw(st.sampled_from([70, 80, 443])), "name": f"p{number}", "protocol": protocol}
        servers.append({"port": port, "hosts": draw(_HOSTS), **tls})
    metadata = {"namespace": draw(st.sampled_from(["a", "b"])), "name": draw(st.sampled_from(["front", "back"]))}
    spec = {"selector": draw(st.sampled_from([{}, {"app": "web"}, {"istio": "edge"}])), "servers": servers}
    return {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": metadata, "spec": spec}
