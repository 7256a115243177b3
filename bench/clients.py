"""The clients of a stream as state machines without I/O: an Envoy by delta or state of the world, a bare listener."""

from __future__ import annotations

from functools import cache
from typing import Final, Protocol

from bench.envoy_order import Ask, EnvoyOrder
from bench.mesh import Pod
from bench.responses import Reader, Response
from xds.api.envoy.config.core.v3 import base_pb2
from xds.wire import type_urls as t
from xds.wire.protobuf import field, text

_SERVICE: Final = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"


class Client(Protocol):
    """What happens on one stream."""

    @property
    def synced(self) -> bool:
        """Whether all that is wanted has come."""

    def start(self) -> list[bytes]:
        """The requests that open the stream."""

    def receive(self, response: bytes) -> tuple[Response, list[bytes]]:
        """What ``response`` holds, and the requests that it makes the client send, its ACK first."""


def node(pod: Pod) -> bytes:
    """The encoded Node with which a pod's sidecar introduces itself."""
    message = base_pb2.Node(id=pod.node_id, cluster=f"{pod.app}.{pod.namespace}", user_agent_name="envoy")
    message.metadata.update(
        {
            "NAME": pod.name,
            "NAMESPACE": pod.namespace,
            "LABELS": pod.labels,
            "INSTANCE_IPS": pod.address,
            "SERVICE_ACCOUNT": pod.account,
            "CLUSTER_ID": "Kubernetes",
        }
    )
    return message.SerializeToString()


@cache
def _names(number: int, names: frozenset[str]) -> bytes:
    return b"".join(field(number, name.encode()) for name in sorted(names))


class DeltaSidecar:
    """An Envoy that speaks incremental ADS."""

    method: Final = _SERVICE + "DeltaAggregatedResources"

    def __init__(self, introduction: bytes, reader: Reader) -> None:
        self._introduction = introduction
        self._reader = reader
        self._order = EnvoyOrder()

    @property
    def synced(self) -> bool:
        """Whether all that is wanted has come."""
        return self._order.synced

    def start(self) -> list[bytes]:
        """A request for all clusters, with the node."""
        return [field(1, self._introduction) + text(2, t.CLUSTER)]

    def receive(self, response: bytes) -> tuple[Response, list[bytes]]:
        """The ACK, then new subscriptions."""
        read = self._reader.read(response)
        requests = [text(2, read.type_url) + text(6, read.nonce)]
        for type_url, wanted, unwanted in self._order.take(read.type_url, read.content):
            requests.append(text(2, type_url) + _names(3, wanted) + _names(4, unwanted))
        return read, requests


class SotwSidecar:
    """An Envoy that speaks state-of-the-world ADS."""

    method: Final = _SERVICE + "StreamAggregatedResources"

    def __init__(self, introduction: bytes, reader: Reader) -> None:
        self._introduction = introduction
        self._reader = reader
        self._order = EnvoyOrder()
        self._last: dict[str, tuple[str, str]] = {}

    @property
    def synced(self) -> bool:
        """Whether all that is wanted has come."""
        return self._order.synced

    def start(self) -> list[bytes]:
        """A request for all clusters, with the node."""
        return [field(2, self._introduction) + text(4, t.CLUSTER)]

    def receive(self, response: bytes) -> tuple[Response, list[bytes]]:
        """The ACK with all names, then new subscriptions with all names."""
        read = self._reader.read(response)
        self._last[read.type_url] = (read.version, read.nonce)
        asks = self._order.take(read.type_url, read.content)
        return read, [self._request(each) for each in [Ask(read.type_url), *asks]]

    def _request(self, ask: Ask) -> bytes:
        version, nonce = self._last.get(ask.type_url, ("", ""))
        names = _NONE if ask.type_url in t.WILDCARD else self._order.subscribed.get(ask.type_url, _NONE)
        return text(1, version) + _names(3, names) + text(4, ask.type_url) + text(5, nonce)


_NONE: Final[frozenset[str]] = frozenset()


class BareListener:
    """A client that answers each of the broadcast's messages with one ACK, whatever it holds."""

    method: Final = DeltaSidecar.method

    def __init__(self, introduction: bytes, reader: Reader, messages: int) -> None:
        self._introduction = introduction
        self._reader = reader
        self._left = messages

    @property
    def synced(self) -> bool:
        """Whether as many messages came as the start has."""
        return self._left <= 0

    def start(self) -> list[bytes]:
        """Anything: the server sends its first message."""
        return [field(1, self._introduction) + text(2, t.CLUSTER)]

    def receive(self, response: bytes) -> tuple[Response, list[bytes]]:
        """One ACK."""
        self._left -= 1
        read = self._reader.read(response)
        return read, [text(2, read.type_url) + text(6, read.nonce)]
