"""The services beside ADS, secrets, and refusals on the state-of-the-world protocol, each with a real Envoy."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import json_format

from tests.envoy.conftest import Launch
from tests.envoy.loopback import LoopbackEnvoy, backend, bootstrap, until
from tests.envoy.messages import TYPES, cluster, endpoints, host, listener, resource, routes
from xds.api.envoy.extensions.filters.network.direct_response.v3 import config_pb2 as _direct_response
from xds.api.envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from xds.api.envoy.extensions.transport_sockets.tls.v3 import tls_pb2 as _tls
from xds.server import Rejected, Resource, Server, SnapshotCache
from xds.wire.codec import decode

pytestmark = pytest.mark.envoy
MODULES = (_direct_response, _tls)  # imported for their messages, which are looked up by type URL


class Plane:
    """A server for everybody."""

    def __init__(self) -> None:
        self.cache = SnapshotCache(lambda node: "all")
        self.server = Server(self.cache)
        self.port = self.server.add_plaintext("127.0.0.1:0")


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    made = Plane()
    await made.server.start()
    yield made
    await made.server.stop()


def own_service(delta: bool) -> dict[str, Any]:
    """A config source: the type's own service of the control plane, not ADS."""
    grpc = {"envoy_grpc": {"cluster_name": "xds"}}
    api = {
        "api_type": "DELTA_GRPC" if delta else "GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [grpc],
    }
    return {"resource_api_version": "V3", "api_config_source": api}


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
async def test_each_type_by_its_own_service(plane: Plane, launch_envoy: Launch, delta: bool) -> None:
    source = own_service(delta)
    config = bootstrap(plane.port, delta=delta)
    config["dynamic_resources"] = {"cds_config": source, "lds_config": source}
    web = listener("web", "routes")
    async with backend("one") as first, backend("two") as second:
        found = [
            cluster("a", eds_cluster_config={"eds_config": source}),
            endpoints("a", first),
            _with_routes_from(web, source),
            routes("routes", host("a", "a.x", "a")),
        ]
        plane.cache.set("all", found)
        envoy = await launch_envoy(config)
        await envoy.wait_for("web", "a.x", (200, "one"))
        plane.cache.set("all", [*found[:1], endpoints("a", second), *found[2:]])
        await envoy.wait_for("web", "a.x", (200, "two"))
        plane.cache.set("all", [*found[:3], routes("routes", host("a", "b.x", "a"))])
        await envoy.wait_for("web", "b.x", (200, "one"))
        assert await envoy.rejections() == 0
    services = {status.peer.type_url.rpartition(".")[2] for status in plane.cache.statuses()}
    assert services == {"Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"}


def _with_routes_from(web: Resource, source: dict[str, Any]) -> Resource:
    message = decode(web.type_url, web.body)
    plain = json_format.MessageToDict(message)
    manager = plain["filterChains"][0]["filters"][0]["typedConfig"]
    manager["rds"]["configSource"] = source
    return resource(type(message)(), web.name, plain)


class Identity:
    """A certificate for localhost with its key."""

    def __init__(self, serial: int) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), serial, now - timedelta(1), now + timedelta(1))
        self.serial = serial
        self.certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.key = key.private_bytes(*form).decode()

    def secret(self, name: str) -> Resource:
        fields = {"certificate_chain": {"inline_string": self.certificate}, "private_key": {"inline_string": self.key}}
        return resource(secret_pb2.Secret(), name, {"name": name, "tls_certificate": fields})


def tls_listener() -> Resource:
    source = {"ads": {}, "resource_api_version": "V3"}
    context = {
        "@type": f"{TYPES}envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificate_sds_secret_configs": [{"name": "own", "sds_config": source}]},
    }
    kind = f"{TYPES}envoy.extensions.filters.network.direct_response.v3.Config"
    answer = {"name": "say", "typed_config": {"@type": kind, "response": {"inline_string": "hi"}}}
    chain = {"transport_socket": {"name": "tls", "typed_config": context}, "filters": [answer]}
    return listener("tls", "unused", filter_chains=[chain])


async def test_a_secret_is_rotated_without_a_new_listener(plane: Plane, launch_envoy: Launch) -> None:
    first, second = Identity(1), Identity(2)
    plane.cache.set("all", [tls_listener(), first.secret("own")])
    envoy = await launch_envoy(bootstrap(plane.port))
    await until(lambda: _serves(envoy, 1), "the first certificate")
    plane.cache.set("all", [tls_listener(), second.secret("own")])
    await until(lambda: _serves(envoy, 2), "the second certificate")
    changes = await envoy.stats(r"^listener_manager.listener_(modified|in_place_updated|removed)$")
    assert set(changes.values()) <= {0}
    assert await envoy.rejections() == 0


async def _serves(envoy: LoopbackEnvoy, serial: int) -> bool:
    port = await envoy.port("tls")
    pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number == serial


async def test_a_refused_cluster_on_the_state_of_the_world_protocol(plane: Plane, launch_envoy: Launch) -> None:
    async with backend("one") as port:
        good = [cluster("a"), endpoints("a", port), listener("web", "routes"), routes("routes", host("a", "a.x", "a"))]
        plane.cache.set("all", good)
        envoy = await launch_envoy(bootstrap(plane.port, delta=False))
        await envoy.wait_for("web", "a.x", (200, "one"))
        bad = cluster("bad", type="STATIC", lb_policy="CLUSTER_PROVIDED")
        plane.cache.set("all", [*good, bad])
        with pytest.raises(Rejected, match="bad"):
            await plane.cache.acked("all")
        assert await envoy.get("web", "a.x") == (200, "one"), "what was good serves on"
        plane.cache.set("all", [*good[:3], routes("routes", host("a", "b.x", "a"))])
        await envoy.wait_for("web", "b.x", (200, "one"))
        assert await _refused_once(envoy)


async def _refused_once(envoy: LoopbackEnvoy) -> bool:
    with_refusals = await envoy.stats(r"^cluster_manager.cds.update_rejected$")
    return with_refusals == {"cluster_manager.cds.update_rejected": 1}
