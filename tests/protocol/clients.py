"""Clients of one stream: what an Envoy does with requests and responses, and what it then holds; how calls end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import grpc.aio

from xds.api.envoy.service.discovery.v3 import discovery_pb2
from xds.server import Server
from xds.server.delta import DeltaStream
from xds.server.names import Names
from xds.server.rejections import Rejections
from xds.server.settings import ServerSettings
from xds.server.sotw import SotwStream
from xds.wire import protobuf
from xds.wire.resource import Resource, ResourceSet, Table
from xds.wire.type_urls import CLUSTER, ENDPOINT, NAMED, ROUTE

Delta = discovery_pb2.DeltaDiscoveryResponse
Sotw = discovery_pb2.DiscoveryResponse
Call = grpc.aio.StreamStreamCall[bytes, bytes]


@asynccontextmanager
async def opened(server: Server, path: str, first: bytes) -> AsyncIterator[Call]:
    """A call of a method that streams both ways, with its first message, while the server serves."""
    port = server.add_plaintext("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path)
            call = stub()
            await call.write(first)
            yield call
    finally:
        await server.stop()


async def read(call: Call, limit_s: float) -> bytes:
    """What the server says next."""
    data = await asyncio.wait_for(call.read(), limit_s)
    assert isinstance(data, bytes)
    return data


async def ended(call: Call, limit_s: float) -> grpc.StatusCode:
    """How the call ends, whatever the server has still to say."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        while await asyncio.wait_for(call.read(), limit_s) is not grpc.aio.EOF:
            pass
    return await asyncio.wait_for(call.code(), limit_s)


def cluster(name: str, generation: int = 0, *, eds: bool = True, service_name: str = "") -> Resource:
    """A cluster, of type EDS unless told otherwise; ``generation`` makes it another version."""
    config = protobuf.field(3, protobuf.text(2, service_name)) if eds else b""
    kind = b"\x10\x03" if eds else b"\x10\x00"
    return Resource(CLUSTER, name, protobuf.text(1, name) + kind + config + protobuf.text(28, f"alt{generation}"))


def route(name: str, generation: int = 0, *, vhds: bool = False) -> Resource:
    """A route configuration, with VHDS if told so."""
    tail = protobuf.field(9, b"") if vhds else b""
    return Resource(ROUTE, name, protobuf.text(1, name) + protobuf.text(5, f"x-{generation}") + tail)


def plain(type_url: str, name: str, generation: int = 0) -> Resource:
    """A resource of any type; its bytes are not looked into."""
    return Resource(type_url, name, protobuf.text(1, name) + protobuf.text(15, f"g{generation}"))


def endpoints(name: str, generation: int = 0) -> Resource:
    """A load assignment."""
    return plain(ENDPOINT, name, generation)


def layered(resources: Iterable[Resource], old: ResourceSet | None = None) -> ResourceSet:
    """A set with one layer a type; tables of ``old`` are patched, so that unchanged ones stay the same."""
    by_type: dict[str, dict[str, Resource]] = {}
    for resource in resources:
        by_type.setdefault(resource.type_url, {})[resource.name] = resource
    if old is None:
        return ResourceSet({url: (Table(found.values()),) for url, found in by_type.items()})
    layers = {}
    for url in sorted(by_type.keys() | old.layers.keys()):
        before = old.of(url)[0] if old.of(url) else Table()
        now = by_type.get(url, {})
        changes: dict[str, Resource | None] = {name: None for name in before if name not in now}
        patched = before.patched({**changes, **now})
        layers[url] = old.of(url) if old.of(url) and patched is before else (patched,)
    return ResourceSet(layers)


@dataclass
class DeltaClient:
    """An Envoy on a delta stream. ``held`` is what it uses, ``counted`` what it would name on a reconnect."""

    stream: DeltaStream
    refuses: Callable[[Resource], bool] = lambda resource: False
    held: dict[str, dict[str, str]] = field(default_factory=dict)
    counted: dict[str, dict[str, str]] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=dict)
    wildcard: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    inbox: list[Delta] = field(default_factory=list)
    log: list[Delta] = field(default_factory=list)
    now: float = 0.0

    def request(
        self,
        type_url: str,
        subscribe: Iterable[str] = (),
        unsubscribe: Iterable[str] = (),
        *,
        versions: dict[str, str] | None = None,
    ) -> None:
        """Subscribe to and unsubscribe from names; the first request without names asks for everything."""
        subscribe, unsubscribe = list(subscribe), list(unsubscribe)
        names = self.names.setdefault(type_url, set())
        if (type_url not in self.started and not subscribe) or "*" in subscribe:
            self.wildcard.add(type_url)
        if "*" in unsubscribe:
            self.wildcard.discard(type_url)
        self.started.add(type_url)
        names |= set(subscribe) - {"*"}
        names -= set(unsubscribe)
        for store in (self.held, self.counted):
            kept = store.get(type_url, {})
            store[type_url] = {n: v for n, v in kept.items() if type_url in self.wildcard or n in names}
        request = discovery_pb2.DeltaDiscoveryRequest(
            type_url=type_url,
            resource_names_subscribe=subscribe,
            resource_names_unsubscribe=unsubscribe,
            initial_resource_versions=versions,
        )
        self.stream.receive(request, self.now)

    def fetch(self) -> list[Delta]:
        """Take what the server has to say off the wire, unread."""
        found = []
        while (data := self.stream.pull(self.now)) is not None:
            found.append(Delta.FromString(b"".join(data)))
        self.inbox += found
        self.log += found
        return found

    def read(self) -> Delta:
        """Read the oldest response, and answer it."""
        response = self.inbox.pop(0)
        bad = [each.name for each in response.resources if self.refuses(_resource(each))]
        if bad:
            self.reject(response, bad)
        else:
            self.apply(response)
            self.answer(response)
        return response

    def reject(self, response: Delta, bad: list[str]) -> None:
        """Refuse a response; the others in it are used all the same, but not counted (envoy-facts 9)."""
        for each in response.resources:
            if each.name not in bad and self.covers(response.type_url, each.name):
                self.held[response.type_url][each.name] = each.version
                self.counted[response.type_url].pop(each.name, None)
        self.answer(response, error=f"cannot use {bad}")

    def apply(self, response: Delta) -> None:
        """Take over a good response."""
        for each in response.resources:
            if self.covers(response.type_url, each.name):
                self.held[response.type_url][each.name] = each.version
                self.counted[response.type_url][each.name] = each.version
        for name in response.removed_resources:
            self.held[response.type_url].pop(name, None)
            self.counted[response.type_url].pop(name, None)

    def covers(self, type_url: str, name: str) -> bool:
        """Whether it asks for ``name``."""
        return type_url in self.wildcard or name in self.names[type_url]

    def answer(self, response: Delta, error: str = "") -> None:
        """Send the ACK or the NACK."""
        request = discovery_pb2.DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        if error:
            request.error_detail.message = error
        self.stream.receive(request, self.now)

    def settle(self) -> list[Delta]:
        """Go on until neither side has anything to say; the responses of that time."""
        start = len(self.log)
        for _ in range(10_000):
            self.fetch()
            if not self.inbox:
                return self.log[start:]
            self.read()
        raise AssertionError("no end")

    def reconnect(self, stream: DeltaStream) -> None:
        """Go on with a new stream: name all that is counted as held, in Envoy's order."""
        self.stream, self.inbox = stream, []
        started, self.started = self.started, set()
        for type_url in sorted(started):
            names = sorted(self.names[type_url])
            wildcard = type_url in self.wildcard
            if not names and not wildcard:
                continue
            subscribe = ["*", *names] if wildcard and (names or type_url in NAMED) else names
            self.request(type_url, subscribe, versions=self.counted[type_url])


def _resource(item: discovery_pb2.Resource) -> Resource:
    return Resource(item.resource.type_url, item.name, item.resource.value)


def delta_stream(rejections: Rejections | None = None, settings: ServerSettings | None = None) -> DeltaStream:
    """The server's side of a delta stream."""
    refused = Rejections(100) if rejections is None else rejections
    return DeltaStream("node", Names(), refused, settings or ServerSettings())


def delta(resources: ResourceSet | None = None, settings: ServerSettings | None = None) -> DeltaClient:
    """A client of a new delta stream that is offered ``resources``."""
    stream = delta_stream(settings=settings)
    if resources is not None:
        stream.offer(resources)
    return DeltaClient(stream)


@dataclass
class SotwClient:
    """An Envoy on a state-of-the-world stream."""

    stream: SotwStream
    refuses: Callable[[Resource], bool] = lambda resource: False
    held: dict[str, dict[str, bytes]] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    nonces: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    inbox: list[Sotw] = field(default_factory=list)
    log: list[Sotw] = field(default_factory=list)
    now: float = 0.0

    def request(self, type_url: str, names: Iterable[str] = (), *, nonce: str | None = None, error: str = "") -> None:
        """Ask for ``names``, with the last version and nonce."""
        self.names[type_url] = list(names)
        request = discovery_pb2.DiscoveryRequest(
            type_url=type_url,
            resource_names=self.names[type_url],
            version_info=self.versions.get(type_url, ""),
            response_nonce=self.nonces.get(type_url, "") if nonce is None else nonce,
        )
        if error:
            request.error_detail.message = error
        held = self.held.setdefault(type_url, {})
        if self.names[type_url] and "*" not in self.names[type_url]:
            self.held[type_url] = {name: body for name, body in held.items() if name in self.names[type_url]}
        self.stream.receive(request, self.now)

    def fetch(self) -> list[Sotw]:
        """Take what the server has to say off the wire, unread."""
        found = []
        while (data := self.stream.pull(self.now)) is not None:
            found.append(Sotw.FromString(b"".join(data)))
        self.inbox += found
        self.log += found
        return found

    def read(self) -> Sotw:
        """Read the oldest response, and answer it."""
        response = self.inbox.pop(0)
        type_url = response.type_url
        self.nonces[type_url] = response.nonce
        found = {name_of(each.value): each.value for each in response.resources}
        if any(self.refuses(Resource(type_url, name, body)) for name, body in found.items()):
            self.request(type_url, self.names[type_url], error="cannot use that")
            return response
        asked = self.names[type_url]
        wanted = {name: body for name, body in found.items() if not asked or "*" in asked or name in asked}
        whole = type_url.endswith((".Cluster", ".Listener"))
        self.held[type_url] = wanted if whole else {**self.held[type_url], **wanted}
        self.versions[type_url] = response.version_info
        self.request(type_url, self.names[type_url])
        return response

    def settle(self) -> list[Sotw]:
        """Go on until neither side has anything to say; the responses of that time."""
        start = len(self.log)
        for _ in range(10_000):
            self.fetch()
            if not self.inbox:
                return self.log[start:]
            self.read()
        raise AssertionError("no end")

    def reconnect(self, stream: SotwStream) -> None:
        """Go on with a new stream, with the versions accepted last."""
        self.stream, self.inbox, self.nonces = stream, [], {}
        for type_url, names in sorted(self.names.items()):
            self.request(type_url, names)


def name_of(body: bytes) -> str:
    """The name that an encoded message of these tests has in field 1."""
    found = protobuf.last(body, 1)
    assert isinstance(found, bytes)
    return found.decode()


def sotw_stream(rejections: Rejections | None = None) -> SotwStream:
    """The server's side of a state-of-the-world stream."""
    return SotwStream("node", Names(), Rejections(100) if rejections is None else rejections, ServerSettings())


def sotw(resources: ResourceSet | None = None) -> SotwClient:
    """A client of a new state-of-the-world stream that is offered ``resources``."""
    stream = sotw_stream()
    if resources is not None:
        stream.offer(resources)
    return SotwClient(stream)
