"""HTTP/3 at a gateway: offered where its Service has a UDP port, and spoken by an Envoy as the client."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ca.authority import Authority
from ca.issuer import self_signed
from tests.envoy.manifests import (
    Manifest,
    documents,
    gateway,
    namespace,
    pod,
    router,
    server,
    service,
    to,
    virtual_service,
)
from tests.envoy.readable import readable
from xds.local.sidecar import installed_envoy
from xds.testing.mesh import Mesh

OUTSIDE = "outside/browser"
PORT = 10000


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    udp = {"name": "http3", "port": 443, "protocol": "UDP"}
    return documents(
        namespace("shop"),
        namespace("ingress"),
        namespace("outside", inject=False),
        pod("browser", namespace="outside"),
        pod("web"),
        service("web"),
        *router("edge", "ingress", {"name": "https", "port": 443}, udp),
    )


def secret() -> Manifest:
    authority = Authority(self_signed(datetime.now(UTC)), "example.com")
    served = authority.issue_server(["site.test"], timedelta(days=1), datetime.now(UTC))
    texts = {"tls.crt": served.certificate_chain.decode(), "tls.key": served.private_key.decode()}
    metadata = {"name": "site", "namespace": "ingress"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": texts}


def client(address: str) -> dict[str, Any]:
    """A bootstrap: plain HTTP on loopback, HTTP/3 to the gateway."""
    kind = "type.googleapis.com/envoy.extensions."
    tls = {"@type": f"{kind}transport_sockets.tls.v3.UpstreamTlsContext", "sni": "site.test"}
    tls = {key: value for key, value in tls.items() if key != "@type"}
    quic = {"@type": f"{kind}transport_sockets.quic.v3.QuicUpstreamTransport", "upstream_tls_context": tls}
    options = {"@type": f"{kind}upstreams.http.v3.HttpProtocolOptions",
               "explicit_http_config": {"http3_protocol_options": {}}}  # fmt: skip
    where = {"socket_address": {"address": address, "port_value": 443}}
    cluster = {
        "name": "edge", "type": "STATIC", "connect_timeout": "2s",
        "load_assignment": {"cluster_name": "edge",
                            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": where}}]}]},
        "transport_socket": {"name": "envoy.transport_sockets.quic", "typed_config": quic},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }  # fmt: skip
    manager = {
        "@type": f"{kind}filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "edge"}}]}]},
        "http_filters": [{"name": "envoy.filters.http.router",
                          "typed_config": {"@type": f"{kind}filters.http.router.v3.Router"}}],
    }  # fmt: skip
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    listener = {"name": "in", "address": {"socket_address": {"address": "127.0.0.1", "port_value": PORT}},
                "filter_chains": [{"filters": filters}]}  # fmt: skip
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


@contextlib.asynccontextmanager
async def http3_client(mesh: Mesh, folder: Path) -> AsyncIterator[str]:
    """An Envoy in the client's pod that speaks HTTP/3 to the gateway; gives the URL to ask."""
    config = folder / "client.json"
    config.write_text(json.dumps(client(mesh.ip("ingress/edge"))))
    readable(folder)
    inside = mesh.local._pods[mesh.pod(OUTSIDE)]
    words = inside.command([str(installed_envoy()), "--config-path", str(config), "--disable-hot-restart"])
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{PORT}/"
    finally:
        process.terminate()
        await process.wait()


async def test_http3_is_offered_and_spoken(mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> None:
    tls = {"mode": "SIMPLE", "credentialName": "site"}
    routed = virtual_service("site.test", {"route": [to("web")]}, gateways=["front"])
    await mesh.apply(documents(gateway("front", server(443, "HTTPS", "site.test", tls=tls)), routed, secret()))
    where = f"site.test:443:{mesh.ip('ingress/edge')}"
    words = ["curl", "-sk", "--resolve", where, "-o", "/dev/null", "-D", "-", "https://site.test/"]
    done = await mesh.local.exec(mesh.pod(OUTSIDE), words)
    assert 'alt-svc: h3=":443"' in done.stdout, done
    async with http3_client(mesh, tmp_path_factory.mktemp("quic")) as url:

        async def answered() -> bool:
            return (await mesh.get(OUTSIDE, url, headers={"host": "site.test"}, keep_alive=False)).status == 200

        await mesh.until(answered, "the gateway answers over HTTP/3")
    found = await mesh.stats("ingress/edge", "downstream_cx_http3_total")
    assert sum(found.values()) > 0
