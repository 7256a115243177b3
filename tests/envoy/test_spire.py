"""Sidecars whose identity comes from a real SPIRE agent's socket, not from the control plane."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.envoy.conftest import Launch
from tests.envoy.loopback import LoopbackEnvoy, until
from tests.envoy.spire import Spire

# The first run on a machine may have to build SPIRE.
pytestmark = [pytest.mark.envoy, pytest.mark.slow, pytest.mark.timeout(1800)]

BUILD_S = 1500
REPOSITORY = Path(__file__).parents[2]
HOME = "cluster.local"
PARTNER = "partner.example"
WEB = f"spiffe://{HOME}/ns/shop/sa/web"
PARTNER_WEB = f"spiffe://{PARTNER}/ns/shop/sa/web"
OTHER = f"spiffe://{HOME}/ns/shop/sa/other"
FILTERS = "envoy.extensions.filters"
HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


@pytest.fixture(scope="module")
def spire_programs() -> Path:
    """The folder of spire-server and spire-agent, built when the machine has none yet.

    Where they cannot be built (no Go, no module proxy) test_workload_socket.py is what is left: an SDS server of ours.
    """
    try:
        done = subprocess.run(
            [REPOSITORY / "tools" / "spire"], capture_output=True, text=True, check=False, timeout=BUILD_S
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"SPIRE is not built in {BUILD_S} s here")
    if done.returncode:
        pytest.skip(f"SPIRE cannot be built here: {done.stderr[-500:]}")
    return Path(done.stdout.strip())


@pytest.fixture
async def domains(spire_programs: Path) -> AsyncIterator[tuple[Spire, Spire]]:
    """Two trust domains that know each other's bundles, each with an agent."""
    folder = Path(tempfile.mkdtemp(prefix="spire"))  # pytest's own are too long for a socket's path
    home = Spire(spire_programs, folder / "home", HOME)
    partner = Spire(spire_programs, folder / "partner", PARTNER)
    try:
        for domain in (home, partner):
            await domain.start_server()
        await home.trust(partner)
        await partner.trust(home)
        for domain in (home, partner):
            await domain.start_agent()
        yield home, partner
    finally:
        for domain in (home, partner):
            await domain.stop()
        shutil.rmtree(folder)


def tls(kind: str, peer: str, roots: str) -> dict[str, Any]:
    """A TLS transport socket that takes all from ``sds-grpc`` and wants that SPIFFE id of its peer."""

    def secret(name: str) -> dict[str, Any]:
        # SPIRE's agent has no DeltaSecrets.
        service = {
            "api_type": "GRPC",
            "transport_api_version": "V3",
            "set_node_on_first_message_only": True,
            "grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}],
        }
        return {"name": name, "sds_config": {"resource_api_version": "V3", "api_config_source": service}}

    config: dict[str, Any] = {
        "@type": f"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}",
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_certificate_sds_secret_configs": [secret("default")],
            "combined_validation_context": {
                "default_validation_context": {
                    "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": peer}}]
                },
                "validation_context_sds_secret_config": secret(roots),
            },
        },
    }
    if kind == "DownstreamTlsContext":
        config["require_client_certificate"] = True
    return {"name": "envoy.transport_sockets.tls", "typed_config": config}


def listener(action: dict[str, Any], peer: str, socket: dict[str, Any] | None) -> dict[str, Any]:
    """An HTTP listener ``entry`` that answers by ``action`` and says in header ``x-peer`` who is at the other end."""
    header = {"header": {"key": "x-peer", "value": f"%{peer}_PEER_URI_SAN%"}}
    route = {"match": {"prefix": "/"}, **action, "response_headers_to_add": [header]}
    connection = {
        "@type": f"type.googleapis.com/{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "entry",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"type.googleapis.com/{FILTERS}.http.router.v3.Router"},
            }
        ],
    }
    chain: dict[str, Any] = {
        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connection}]
    }
    if socket is not None:
        chain["transport_socket"] = socket
    return {"name": "entry", "address": address(0), "filter_chains": [chain]}


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def cluster(name: str, at: dict[str, Any], **more: Any) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": at}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": HTTP2,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        **more,
    }


def bootstrap(domain: Spire, entry: dict[str, Any], *clusters: dict[str, Any]) -> dict[str, Any]:
    """An Envoy with that listener, and the static cluster of its trust domain's agent."""
    agent = cluster("sds-grpc", {"pipe": {"path": str(domain.agent_socket)}})
    return {
        "node": {"id": "sidecar", "cluster": "web.shop"},
        "admin": {"address": address(0)},
        "static_resources": {"listeners": [entry], "clusters": [agent, *clusters]},
    }


async def server_of(launch: Launch, domain: Spire, peer: str, roots: str = "ROOTCA") -> LoopbackEnvoy:
    """A sidecar that answers 200 to callers with the SPIFFE id ``peer``."""
    answer = {"direct_response": {"status": 200, "body": {"inline_string": "hello"}}}
    entry = listener(answer, "DOWNSTREAM", tls("DownstreamTlsContext", peer, roots))
    return await launch(bootstrap(domain, entry))


async def client_of(
    launch: Launch, domain: Spire, server: LoopbackEnvoy, peer: str, roots: str = "ROOTCA"
) -> LoopbackEnvoy:
    """A sidecar that sends everything on to ``server``, from whom it wants the SPIFFE id ``peer``."""
    socket = tls("UpstreamTlsContext", peer, roots)
    upstream = cluster("upstream", address(await server.port("entry")), transport_socket=socket)
    entry = listener({"route": {"cluster": "upstream"}}, "UPSTREAM", None)
    return await launch(bootstrap(domain, entry, upstream))


async def answer(client: LoopbackEnvoy) -> tuple[int, list[str]]:
    """Status of a request through the client, and who each side saw: first the server's word, then the client's."""
    found = await client.client.get(f"http://127.0.0.1:{await client.port('entry')}/")
    return found.status_code, found.headers.get_list("x-peer")


async def meets(client: LoopbackEnvoy, *seen: str) -> None:
    """Return when a request is answered and each side saw those peers."""

    async def met() -> bool:
        return await answer(client) == (200, list(seen))

    await until(met, f"200 and {seen}")


async def refused(client: LoopbackEnvoy, by: LoopbackEnvoy, counter: str) -> None:
    """Every request fails, and in time ``by`` counts that it was for the peer's certificate."""

    async def counted() -> bool:
        status, _ = await answer(client)
        assert status == 503
        return any((await by.stats(rf"(entry|upstream|listener).*ssl\.{counter}$")).values())

    await until(counted, f"a refusal counted as {counter}")


async def test_identity_comes_from_the_agent(domains: tuple[Spire, Spire], launch_envoy: Launch) -> None:
    home, _ = domains
    server = await server_of(launch_envoy, home, WEB)
    client = await client_of(launch_envoy, home, server, WEB)
    await meets(client, WEB, WEB)
    assert WEB in await client.ask("/certs")


async def test_both_sides_check_the_others_name(domains: tuple[Spire, Spire], launch_envoy: Launch) -> None:
    home, _ = domains
    picky_server = await server_of(launch_envoy, home, OTHER)
    await refused(await client_of(launch_envoy, home, picky_server, WEB), picky_server, "fail_verify_san")
    server = await server_of(launch_envoy, home, WEB)
    picky_client = await client_of(launch_envoy, home, server, OTHER)
    await refused(picky_client, picky_client, "fail_verify_san")


async def test_federated_domains_meet(domains: tuple[Spire, Spire], launch_envoy: Launch) -> None:
    home, partner = domains
    server = await server_of(launch_envoy, partner, WEB, "ALL")
    client = await client_of(launch_envoy, home, server, PARTNER_WEB, "ALL")
    await meets(client, WEB, PARTNER_WEB)
    assert "envoy.tls.cert_validator.spiffe" in await client.ask("/config_dump")


async def test_without_the_foreign_bundle_the_partner_is_refused(
    domains: tuple[Spire, Spire], launch_envoy: Launch
) -> None:
    home, partner = domains
    server = await server_of(launch_envoy, partner, WEB, "ALL")
    client = await client_of(launch_envoy, home, server, PARTNER_WEB)
    await refused(client, client, "fail_verify_error")
