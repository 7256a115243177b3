"""A cluster as commands see it: its pods, and pages of theirs on loopback, all of it through the API server."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from xds.cli.address import NO_HEADERS, HttpPages
from xds.cli.failure import Failure, Unreachable, in_short
from xds.cli.target import Candidate
from xds.decoders.pod_owner import owner_of
from xds.kinds.pod import Pod
from xds.model.api_path import collection
from xds.model.injection import PROXY
from xds.model.shallow import read
from xds.view.names import ADMIN_PORT

ADMIN_PAGES: Final = 15014
"""The port of the control plane's pages, on loopback of its pods."""

_TIMEOUT_S: Final = 10.0
_AT_ONCE: Final = 500
_HANDSHAKE: Final = re.compile(r"Handshake status (\d+)")
_SAID: Final = re.compile(r'"message":\s*"((?:[^"\\]|\\.)*)"')


class _Page(msgspec.Struct, frozen=True, rename="camel"):
    items: tuple[msgspec.Raw, ...] = ()
    metadata: Mapping[str, Any] = msgspec.field(default_factory=dict)


_PAGES: Final = msgspec.json.Decoder(_Page)


def cluster(kubeconfig: str, context: str = "") -> Cluster:
    """The cluster of a context of a kubeconfig (the current one when empty). Nothing is asked of it yet.

    Errors: Failure when the kubeconfig does not say.
    """
    from xds.sources.kube_config import NoCluster, connect

    if not kubeconfig:
        raise Failure("no kubeconfig is here: say which with --kubeconfig")
    try:
        configuration = connect(Path(kubeconfig), context=context).configuration
    except NoCluster as error:
        raise Failure(str(error)) from None
    return Cluster(configuration, context or kubeconfig)


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster. Errors of every method: Unreachable, and Failure where it refuses or has no such thing."""

    configuration: Any = field(repr=False)
    name: str

    def client(self) -> Any:
        """A client of its own for who asks: a stream changes the client that it is made with."""
        from kubernetes import client

        return client.ApiClient(self.configuration)

    def pods(self, namespace: str = "", labels: str = "") -> tuple[Pod, ...]:
        """The pods with those labels (``app=istiod,istio.io/rev=x``), of one namespace or of all."""
        path = collection("", "v1", "pods", namespace)
        return tuple(msgspec.json.decode(each, type=Pod) for each in self.items(path, labels))

    def items(self, path: str, labels: str = "") -> Iterator[msgspec.Raw]:
        """The objects of a list, as JSON."""
        after = ""
        while True:
            query = {"labelSelector": labels, "continue": after, "limit": str(_AT_ONCE)}
            page = read(_PAGES.decode, self.get(path, query))
            yield from page.items
            after = page.metadata.get("continue", "")
            if not after:
                return

    def get(self, path: str, query: Mapping[str, str] = MappingProxyType({})) -> bytes:
        """What the API server answers."""
        import urllib3

        client = self.client()
        request = client.param_serialize(
            "GET",
            path,
            query_params=[pair for pair in query.items() if pair[1]],
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        try:
            answer = client.call_api(*request, _request_timeout=_TIMEOUT_S)
            body: bytes = answer.read()
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(f"the API server of {self.name} does not answer: {in_short(error)}") from None
        if answer.status != 200:
            raise Failure(f"{self.name}: {path}: {_refusal(body.decode(errors='replace'), answer.status)}")
        return body

    def control_planes(self, namespace: str, revision: str = "") -> tuple[PodPages, ...]:
        """The pages of every replica of the control plane that runs; of all revisions when none is named."""
        labels = f"app=istiod,istio.io/rev={revision}" if revision else "app=istiod"
        known = self.pods(namespace, labels)
        running = [pod for pod in known if pod.status.phase == "Running" and not pod.metadata.deletion_timestamp]
        if not running:
            named = ", ".join(f"{pod.metadata.name} is {pod.status.phase}" for pod in known)
            raise Failure(
                f"{self.name}: no control plane runs in namespace {namespace} (pods with {labels}): "
                f"{named or 'there is none; install it with plait install, or say where it is with --root-namespace'}"
            )
        return tuple(self.pages(candidate(pod), ADMIN_PAGES) for pod in running)

    def envoys(self, namespace: str = "") -> dict[Candidate, PodPages]:
        """The admin page of every sidecar that runs, or of those of one namespace."""
        known = (pod for pod in self.pods(namespace) if has_sidecar(pod) and pod.status.phase == "Running")
        return {named: self.pages(named, ADMIN_PORT) for named in map(candidate, known)}

    def pages(self, pod: Candidate, port: int) -> PodPages:
        """The HTTP pages on loopback of a pod."""
        return PodPages(self, pod.namespace, pod.name, port)


def candidate(pod: Pod) -> Candidate:
    """What users may call the pod."""
    return Candidate(pod.metadata.namespace, pod.metadata.name, *owner_of(pod))


@dataclass(frozen=True, slots=True)
class _Line:
    """A port-forward, and the connection through it."""

    forward: Any
    connection: http.client.HTTPConnection


class PodPages(HttpPages):
    """HTTP pages on loopback of a pod, by port-forwards that are kept from one question to the next.

    May be asked in several threads: each question has a port-forward of its own while it is asked.
    """

    def __init__(self, cluster: Cluster, namespace: str, pod: str, port: int) -> None:
        self.name = f"pod {namespace}/{pod} port {port}"
        self._cluster = cluster
        self._pod = (pod, namespace)
        self._port = port
        self._idle: list[_Line] = []

    def _ask(self, method: str, path: str, headers: Mapping[str, str] = NO_HEADERS) -> tuple[int, bytes]:
        while (kept := self._kept()) is not None:
            try:
                return self._answer(kept, method, path, headers)
            except (OSError, http.client.HTTPException):
                kept.forward.close()  # the server has hung up meanwhile
        line = self._connected()
        try:
            return self._answer(line, method, path, headers)
        except (OSError, http.client.HTTPException) as error:
            told = line.forward.error(self._port)
            line.forward.close()
            raise Unreachable(f"{self.name} does not answer: {(told or str(error) or repr(error)).strip()}") from None

    def _answer(self, line: _Line, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        line.connection.request(method, path, headers=headers)
        answer = line.connection.getresponse()
        told = answer.status, answer.read()
        self._idle.append(line)
        return told

    def _kept(self) -> _Line | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def close(self) -> None:
        """End the port-forwards that nobody uses now."""
        while (kept := self._kept()) is not None:
            kept.forward.close()

    def _connected(self) -> _Line:
        from kubernetes import client

        connect = client.CoreV1Api(self._cluster.client()).connect_get_namespaced_pod_portforward
        forward = streamed(self.name, connect, *self._pod, ports=str(self._port))
        sock = forward.socket(self._port)
        sock.settimeout(_TIMEOUT_S)
        connection = http.client.HTTPConnection("localhost", self._port)
        connection.auto_open = 0
        connection.sock = sock
        return _Line(forward, connection)


def streamed(name: str, connect: Any, *arguments: str, **query: Any) -> Any:
    """What ``kubernetes.stream`` makes of a call: a PortForward, or (exec) a WSClient.

    Errors: Unreachable; Failure when the API server refuses.
    """
    import websocket
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream import portforward, stream

    websocket.setdefaulttimeout(_TIMEOUT_S)
    make = portforward if "ports" in query else stream
    try:
        return make(connect, *arguments, **query)
    except ApiException as error:
        status = _HANDSHAKE.search(str(error.reason))
        kind = Failure if status else Unreachable
        raise kind(f"{name}: {_refusal(str(error.reason))}") from None


def _refusal(text: str, status: int = 0) -> str:
    """What the API server says to a refusal: the message of a Status, which a stream's failed handshake quotes."""
    said, handshake = _SAID.search(text), _HANDSHAKE.search(text)
    number = int(handshake[1]) if handshake else status
    told = json.loads(f'"{said[1]}"') if said else text.partition(" -+-+-")[0][:200]
    return f"{told} ({number})" if number else str(told)


def has_sidecar(pod: Pod) -> bool:
    """Whether one of the pod's containers is a sidecar of the mesh."""
    return any(each.name == PROXY for each in (*pod.spec.init_containers, *pod.spec.containers))
