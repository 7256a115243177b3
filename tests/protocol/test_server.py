"""The server over gRPC: addresses, admission, limits, ACKs awaited, statuses."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.protocol.clients import cluster, endpoints, layered, plain, route
from xds.api.envoy.service.discovery.v3 import discovery_pb2
from xds.server import (
    Admission,
    Answer,
    Denied,
    Node,
    Observer,
    Peer,
    Reason,
    Rejected,
    Resource,
    Server,
    ServerSettings,
    SnapshotCache,
    State,
)
from xds.wire.type_urls import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
Request = discovery_pb2.DeltaDiscoveryRequest
Response = discovery_pb2.DeltaDiscoveryResponse


class Call:
    """One delta stream of a client."""

    def __init__(
        self, channel: grpc.aio.Channel, method: str = ADS, metadata: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self._call: Any = channel.stream_stream(method)(metadata=metadata)

    async def ask(self, type_url: str, *names: str, node_id: str = "n", **fields: Any) -> None:
        request = Request(type_url=type_url, resource_names_subscribe=names, **fields)
        request.node.id = node_id
        await self._call.write(request.SerializeToString())

    async def send(self, data: bytes) -> None:
        await self._call.write(data)

    async def read(self) -> Response:
        async with asyncio.timeout(10):
            data = await self._call.read()
        assert data is not grpc.aio.EOF
        return Response.FromString(data)

    async def rest(self) -> None:
        async with asyncio.timeout(10):
            while await self._call.read() is not grpc.aio.EOF:
                pass

    async def answer(self, response: Response, error: str = "") -> None:
        request = Request(type_url=response.type_url, response_nonce=response.nonce)
        if error:
            request.error_detail.message = error
        await self._call.write(request.SerializeToString())

    async def status(self) -> tuple[grpc.StatusCode, str]:
        async with asyncio.timeout(10):
            return await self._call.code(), await self._call.details()

    def cancel(self) -> None:
        self._call.cancel()


@asynccontextmanager
async def serving(
    cache: SnapshotCache, *, address: str = "127.0.0.1:0", **options: Any
) -> AsyncIterator[grpc.aio.Channel]:
    server = Server(cache, **options)
    port = server.add_plaintext(address)
    await server.start()
    target = address if address.startswith("unix:") else f"127.0.0.1:{port}"
    try:
        async with grpc.aio.insecure_channel(target) as channel:
            yield channel
    finally:
        await server.stop()


async def until(condition: Callable[[], object]) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.005)


async def test_a_set_reaches_a_stream_and_is_acknowledged() -> None:
    cache = SnapshotCache()
    async with serving(cache) as channel:
        cache.set("n", [cluster("a", eds=False)])
        call = Call(channel)
        await call.ask(CLUSTER)
        response = await call.read()
        assert [each.name for each in response.resources] == ["a"]
        waiting = asyncio.create_task(cache.acked("n"))
        await asyncio.sleep(0)
        assert not waiting.done()
        await call.answer(response)
        async with asyncio.timeout(10):
            await waiting
        cache.set("n", [cluster("b", eds=False)])
        assert [each.name for each in (await call.read()).resources] == ["b"]


async def test_a_stream_may_come_before_its_set() -> None:
    cache = SnapshotCache()
    async with serving(cache) as channel:
        call = Call(channel)
        await call.ask(CLUSTER)
        await until(cache.statuses)
        cache.set("n", [])
        assert not (await call.read()).resources


async def test_the_groups_of_nodes_are_served_their_sets() -> None:
    cache = SnapshotCache(lambda node: node.id.partition("-")[0])
    cache.set("a", [route("r", 1)])
    cache.set("b", [route("r", 2)])
    async with serving(cache) as channel:
        for node_id, generation in (("a-1", 1), ("a-2", 1), ("b-1", 2)):
            call = Call(channel)
            await call.ask(ROUTE, "r", node_id=node_id)
            assert (await call.read()).resources[0].version == route("r", generation).version


async def test_a_refusal_is_told_to_who_waits_and_who_watches() -> None:
    seen: list[tuple[str, str | None, str]] = []

    class Watcher(Observer):
        def on_ack(self, node: Node, answer: Answer) -> None:
            seen.append((node.id, None, "".join(answer.versions)))

        def on_nack(self, node: Node, answer: Answer) -> None:
            assert answer.culprit is not None
            seen.append((node.id, answer.reason, answer.culprit.resource.name))

    cache = SnapshotCache(observer=Watcher())
    cache.set("n", [route("r")])
    async with serving(cache) as channel:
        call = Call(channel)
        await call.ask(ROUTE, "r")
        await call.answer(await call.read())
        await cache.acked("n")
        cache.set("n", [route("r", 1)])
        await call.answer(await call.read(), error="no good")
        with pytest.raises(Rejected, match="no good"):
            await cache.acked("n")
        assert seen == [("n", None, "r"), ("n", "no good", "r")]
        (status,) = cache.statuses()
        (routes,) = status.types
        assert (routes.state, routes.rejected) == (State.REJECTED, (("r", "no good"),))


async def test_who_watches_is_told_what_is_sent_and_how_long_a_change_took() -> None:
    sent: list[tuple[str, str]] = []
    took: list[tuple[str, float]] = []
    gone = asyncio.Event()

    class Watcher(Observer):
        def on_sent(self, node: Node, type_url: str, size_bytes: int) -> None:
            assert size_bytes > len(type_url)
            sent.append((node.id, type_url))

        def on_converged(self, group: str, seconds: float) -> None:
            took.append((group, seconds))

        def on_gone(self, group: str) -> None:
            gone.set()

    cache = SnapshotCache(observer=Watcher())
    cache.set("n", [route("r")])
    async with serving(cache) as channel:
        call = Call(channel)
        await call.ask(ROUTE, "r")
        await call.answer(await call.read())
        await cache.acked("n")
        assert (sent, took) == ([("n", ROUTE)], [])  # what was there before the proxy is no change
        cache.set("n", [route("r", 1)], since=time.monotonic() - 60)
        await call.answer(await call.read())
        await cache.acked("n")
        ((group, seconds),) = took
        assert group == "n"
        assert 60 <= seconds < 120
        assert sent == [("n", ROUTE)] * 2
        assert not gone.is_set()
    await asyncio.wait_for(gone.wait(), 30)


async def test_what_a_build_is_not_sent_comes_when_one_of_it_takes_it_none_the_less() -> None:
    cache = SnapshotCache()
    async with serving(cache) as channel:
        calls = {name: Call(channel) for name in ("a", "b", "late", "kept")}
        for name, call in calls.items():
            cache.set(name, [route("r")])
            await call.ask(ROUTE, "r", node_id=name)
            await call.answer(await call.read())
            await cache.acked(name)
        for name in ("late", "a", "b"):
            cache.set(name, [route("r", 1)])
        late = await calls["late"].read()
        for name in ("a", "b"):
            await calls[name].answer(await calls[name].read(), error="no good")
        await until(lambda: list(cache.builds))
        cache.set("kept", [route("r", 1)])
        await cache.acked("kept")
        await calls["late"].answer(late)
        (sent,) = (await calls["kept"].read()).resources
        assert sent.resource.value == route("r", 1).body
        assert not list(cache.builds)


async def test_a_refusal_that_is_one_clients_own_is_told_to_who_waits() -> None:
    cache = SnapshotCache()
    cache.set("n", [plain(LISTENER, "l")])
    async with serving(cache) as channel:
        call = Call(channel)
        await call.ask(LISTENER)
        await call.answer(await call.read(), error="cannot bind '0.0.0.0:80': Address already in use")
        with pytest.raises(Rejected, match="cannot bind"):
            await cache.acked("n")


async def test_statuses_by_type() -> None:
    cache = SnapshotCache()
    cache.set("n", [cluster("a"), endpoints("a"), plain(LISTENER, "l")])
    async with serving(cache) as channel:
        call = Call(channel)
        await call.ask(CLUSTER)
        await call.answer(await call.read())
        await call.ask(ENDPOINT, "a")
        await call.read()
        await until(lambda: len(cache.statuses()[0].types) == 3)
        await until(lambda: cache.statuses()[0].types[0].state is State.SYNCED)
        (status,) = cache.statuses()
        assert [each.state for each in status.types] == [State.SYNCED, State.STALE, State.NOT_SENT]
        assert status.node.id == status.group == "n"
        assert status.types[0].version
        assert not status.synced
        assert status.types[0].since <= datetime.datetime.now(datetime.UTC)
        call.cancel()
        await until(lambda: not cache.statuses())


@pytest.mark.parametrize(
    "method,type_url",
    [
        ("/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters", CLUSTER),
        ("/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints", ENDPOINT),
        ("/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets", SECRET),
    ],
)
async def test_services_of_one_type(method: str, type_url: str) -> None:
    cache = SnapshotCache()
    cache.set("n", [plain(type_url, "a"), plain(LISTENER, "l")])
    async with serving(cache) as channel:
        call = Call(channel, method)
        await call.ask("", "a")
        response = await call.read()
        assert (response.type_url, [each.name for each in response.resources]) == (type_url, ["a"])
        wrong = Call(channel, method)
        await wrong.ask(LISTENER, "l")
        assert (await wrong.status())[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_state_of_the_world_service() -> None:
    cache = SnapshotCache()
    cache.set("n", [plain(SECRET, "a")])
    async with serving(cache) as channel:
        call: Any = channel.stream_stream("/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets")()
        request = discovery_pb2.DiscoveryRequest(resource_names=["a"], node={"id": "n"})
        await call.write(request.SerializeToString())
        async with asyncio.timeout(10):
            response = discovery_pb2.DiscoveryResponse.FromString(await call.read())
        assert (response.type_url, response.resources[0].value) == (SECRET, plain(SECRET, "a").body)
        assert response.version_info


class TestAdmission:
    async def test_it_hears_of_node_and_peer_and_names_the_group(self) -> None:
        heard: list[tuple[Node, Peer]] = []
        ended: list[str] = []
        cache = SnapshotCache()

        async def admit(node: Node, peer: Peer) -> str:
            heard.append((node, peer))
            cache.set("made for it", [cluster("a", eds=False)])
            return "made for it"

        async with serving(cache, admit=admit, released=lambda node, peer, admission: ended.append(node.id)) as channel:
            call = Call(channel, metadata=(("authorization", "Bearer t"),))
            await call.ask(CLUSTER)
            assert len((await call.read()).resources) == 1
            ((node, peer),) = heard
            assert node.id == "n"
            assert (peer.secure, peer.identities, peer.delta, peer.type_url) == (False, (), True, CLUSTER)
            assert peer.metadata["authorization"] == "Bearer t"
            assert peer.address.startswith("ipv4:127.0.0.1:")
            assert ended == []
            call.cancel()
            await until(lambda: ended == ["n"])

    @pytest.mark.parametrize("versions", [{}, {"a": "1"}])
    async def test_it_hears_whether_the_client_has_anything_yet(self, versions: dict[str, str]) -> None:
        heard: list[bool] = []
        cache = SnapshotCache()
        cache.set("g", [])

        async def admit(node: Node, peer: Peer) -> str:
            heard.append(peer.anew)
            return "g"

        async with serving(cache, admit=admit) as channel:
            call = Call(channel)
            await call.ask(CLUSTER, initial_resource_versions=versions)
            await until(lambda: bool(heard))
        assert heard == [not versions]

    @pytest.mark.parametrize("reason", list(Reason))
    async def test_it_may_refuse(self, reason: Reason) -> None:
        async def admit(node: Node, peer: Peer) -> str:
            raise Denied("not you", reason)

        async with serving(SnapshotCache(), admit=admit) as channel:
            call = Call(channel)
            await call.ask(CLUSTER)
            status, details = await call.status()
            assert (status.name, details) == (reason.name, "not you")

    async def test_of_who_is_refused_nothing_more_is_read(self) -> None:
        async def admit(node: Node, peer: Peer) -> str:
            raise Denied("not you", Reason.PERMISSION_DENIED)

        first = Request(type_url=CLUSTER, node={"id": "n"}).SerializeToString()
        no_text = b"\x1a\x01\xff"  # as a name
        for known, status in ((None, grpc.StatusCode.INVALID_ARGUMENT), (admit, grpc.StatusCode.PERMISSION_DENIED)):
            async with serving(SnapshotCache(), admit=known) as channel:
                call = Call(channel)
                await call.send(first + no_text)
                assert (await call.status())[0] is status

    async def test_it_may_end_with_its_credentials(self) -> None:
        cache = SnapshotCache()
        cache.set("g", [])

        async def admit(node: Node, peer: Peer) -> Admission:
            return Admission("g", valid_s=0.2)

        async with serving(cache, admit=admit) as channel:
            call = Call(channel)
            await call.ask(CLUSTER)
            await call.read()
            assert (await call.status())[0] is grpc.StatusCode.OK
            assert cache.statuses() == []


class TestLimits:
    async def test_streams(self) -> None:
        cache = SnapshotCache(settings=ServerSettings(max_streams=1))
        cache.set("n", [])
        async with serving(cache) as channel:
            call = Call(channel)
            await call.ask(CLUSTER)
            await call.read()
            second = Call(channel)  # refused before it has asked for anything
            assert (await second.status())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED

    async def test_names(self) -> None:
        cache = SnapshotCache(settings=ServerSettings(max_names=1))
        async with serving(cache) as channel:
            call = Call(channel)
            await call.ask(ROUTE, "a", "b")
            assert (await call.status())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED

    async def test_request_size(self) -> None:
        cache = SnapshotCache(settings=ServerSettings(max_request_bytes=1000))
        async with serving(cache) as channel:
            call = Call(channel)
            await call.ask(ROUTE, "a" * 2000)
            assert (await call.status())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED

    @pytest.mark.parametrize("data", [b"\xff\xff", b""])
    async def test_what_is_no_request(self, data: bytes) -> None:
        async with serving(SnapshotCache()) as channel:
            call = Call(channel)
            await call.send(data)
            assert (await call.status())[0] is grpc.StatusCode.INVALID_ARGUMENT

    async def test_garbage_after_a_good_request(self) -> None:
        cache = SnapshotCache()
        cache.set("n", [])
        async with serving(cache) as channel:
            call = Call(channel)
            await call.ask(CLUSTER)
            await call.read()
            await call.send(b"\xff\xff")
            assert (await call.status())[0] is grpc.StatusCode.INVALID_ARGUMENT
            assert cache.statuses() == []

    async def test_garbage_while_a_response_is_being_written(self) -> None:
        cache = SnapshotCache()
        cache.set("n", [cluster(f"a{i}" + "x" * 1000) for i in range(1500)])  # no window holds it
        async with serving(cache) as channel:
            call = Call(channel)
            await call.ask(CLUSTER)
            await call.send(b"\xff\xff")
            with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT"):
                await call.rest()


async def test_a_port_that_is_taken() -> None:
    cache = SnapshotCache()
    first = Server(cache)
    port = first.add_plaintext("127.0.0.1:0")
    await first.start()
    with pytest.raises(OSError, match=str(port)):
        Server(cache).add_plaintext(f"127.0.0.1:{port}")
    await first.stop()


async def test_unix_socket(tmp_path: Path) -> None:
    cache = SnapshotCache()
    cache.set("n", [])
    async with serving(cache, address=f"unix:{tmp_path}/xds.sock") as channel:
        call = Call(channel)
        await call.ask(CLUSTER)
        await call.read()


async def test_tls_with_a_client_certificate() -> None:
    key, certificate = _self_signed("spiffe://t/ns/n/sa/s")
    identities: list[tuple[str, ...]] = []

    async def admit(node: Node, peer: Peer) -> str:
        assert peer.secure
        identities.append(peer.identities)
        return "n"

    cache = SnapshotCache()
    cache.set("n", [])
    server = Server(cache, admit=admit)
    credentials = grpc.ssl_server_credentials([(key, certificate)], certificate, require_client_auth=True)
    port = server.add_tls("127.0.0.1:0", credentials)
    await server.start()
    client = grpc.ssl_channel_credentials(certificate, key, certificate)
    async with grpc.aio.secure_channel(f"localhost:{port}", client) as channel:
        call = Call(channel)
        await call.ask(CLUSTER)
        await call.read()
    await server.stop()
    assert "spiffe://t/ns/n/sa/s" in identities[0]


def _self_signed(uri: str) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.UniformResourceIdentifier(uri)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(pem, pkcs8, serialization.NoEncryption())
    return private, certificate.public_bytes(pem)


async def test_one_changed_endpoint_reaches_exactly_who_subscribed_as_exactly_one_resource() -> None:
    cache = SnapshotCache(lambda node: "all")
    names = [f"e{number}" for number in range(1000)]
    old = layered([endpoints(name) for name in names])
    cache.set("all", old)
    async with serving(cache) as channel:
        calls = []
        for number in range(20):
            call = Call(channel)
            asked = names if number % 2 else [name for name in names if name != "e7"]
            await call.ask(ENDPOINT, *asked, node_id=f"n{number}")
            await call.answer(await call.read())
            calls.append(call)
        await cache.acked("all", streams=20)
        cache.set("all", layered([endpoints(name, int(name == "e7")) for name in names], old))
        for call in calls[1::2]:
            response = await call.read()
            assert [each.name for each in response.resources] == ["e7"]
            await call.answer(response)
        await cache.acked("all", streams=20)
        for call in calls[::2]:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await call.read()


async def test_a_client_that_does_not_read_delays_nobody() -> None:
    def big(generation: int) -> list[Resource]:
        return [plain(LISTENER, f"{generation}" + "x" * 200_000)]

    cache = SnapshotCache(lambda node: "all", settings=ServerSettings(write_budget_bytes=100_000, write_patience_s=0.1))
    cache.set("all", big(0))
    server = Server(cache)
    target = f"127.0.0.1:{server.add_plaintext('127.0.0.1:0')}"
    await server.start()
    async with grpc.aio.insecure_channel(target) as one, grpc.aio.insecure_channel(target) as other:
        slow, quick = Call(one), Call(other)
        await slow.ask(LISTENER, node_id="slow")
        await quick.ask(LISTENER, node_id="quick")
        for generation in range(1, 10):
            await quick.answer(await quick.read())
            cache.set("all", big(generation))
        await quick.read()
    await server.stop()


async def test_nodes_may_differ_only_in_their_first_message() -> None:
    cache = SnapshotCache()
    cache.set("n", [cluster("a", eds=False), route("r")])
    async with serving(cache) as channel:
        call = Call(channel)
        await call.ask(CLUSTER)
        await call.read()
        await call.send(Request(type_url=ROUTE, resource_names_subscribe=["r"]).SerializeToString())
        assert (await call.read()).type_url == ROUTE
