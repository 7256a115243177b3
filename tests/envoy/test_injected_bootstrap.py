"""Injected pods with a real Envoy: its credentials while they rotate, and the probes that it answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from cryptography import x509

from tests.envoy.injected_pod import ADDRESS, InjectedPod, open_folder, running
from tests.envoy.loopback import until
from tests.envoy.messages import cluster
from tests.envoy.test_control_plane_tls import Authority
from xds.local.mesh import unavailable
from xds.local.netns import listening_socket
from xds.server import Admission, Denied, Node, Peer, Reason, Server, SnapshotCache
from xds.webhooks.inject import InjectionSettings, inject

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.netns,
    pytest.mark.skipif(unavailable() != "", reason=f"no network namespaces here: {unavailable()}"),
]
NAME: Final = "istiod.istio-system.svc"
POD: Final[dict[str, Any]] = {
    "metadata": {"generateName": "web-7c9f4d8b5-", "labels": {"app": "web", "trap": "$(POD_NAME)"}},
    "spec": {
        "containers": [
            {
                "name": "web",
                "image": "web",
                "ports": [{"name": "http", "containerPort": 8080}],
                "livenessProbe": {"httpGet": {"port": "http", "path": "/healthz?full=1"}},
                "readinessProbe": {"tcpSocket": {"port": 8081}, "periodSeconds": 1},
                "startupProbe": {"grpc": {"port": 8082}},
                "lifecycle": {"preStop": {"httpGet": {"port": "http", "path": "/bye"}}},
            },
            {
                "name": "secure",
                "image": "web",
                "livenessProbe": {"httpGet": {"port": 8443, "scheme": "HTTPS"}},
                "readinessProbe": {
                    "httpGet": {
                        "port": 8443,
                        "scheme": "HTTPS",
                        "httpHeaders": [{"name": "Host", "value": "secure.test"}],
                    }
                },
            },
        ]
    },
}


@dataclass
class Gate:
    """Admits who shows one of the tokens, each stream for a second; remembers whom, and by what."""

    tokens: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)

    async def admit(self, node: Node, peer: Peer) -> Admission:
        token = peer.metadata.get("authorization", "")
        if not token.startswith("Bearer "):
            raise Denied("no token", Reason.UNAUTHENTICATED)
        self.tokens.append(token.removeprefix("Bearer "))
        self.nodes.append(node)
        return Admission("test", 1.0)


@contextlib.asynccontextmanager
async def control_plane(folder: Path, authority: Authority) -> AsyncIterator[Gate]:
    """A control plane on a unix socket, with TLS of that authority."""
    gate, cache = Gate(), SnapshotCache()
    cache.set("test", [cluster("c1")])
    server = Server(cache, admit=gate.admit)
    certificate, key = authority.issue(x509.DNSName(NAME))
    server.add_tls(f"unix:{folder}/xds.sock", grpc.ssl_server_credentials([(key, certificate)]))
    (folder / "xds.sock").chmod(0o777)
    await server.start()
    try:
        yield gate
    finally:
        await server.stop()


def injected(folder: Path) -> dict[str, Any]:
    """The pod with its proxy."""
    settings = InjectionSettings(xds_address=f"unix:{folder}/xds.sock", xds_server_name=NAME)
    outcome = inject(POD, "shop", settings)
    assert outcome.pod is not None
    assert not outcome.problems
    return outcome.pod


async def test_tokens_and_roots_are_taken_anew(tmp_path: Path) -> None:
    first, second = Authority(), Authority()
    with open_folder() as folder:
        async with running(injected(folder)) as pod:
            pod.put(pod.projected("token-1", first.pem))
            async with contextlib.AsyncExitStack() as stack:
                gate = await stack.enter_async_context(control_plane(folder, first))
                async with pod.envoy(tmp_path / "envoy.log"):
                    await pod.ready()
                    assert set(gate.tokens) == {"token-1"}
                    assert gate.nodes[0].id == f"sidecar~{ADDRESS}~web-7c9f4d8b5-x2x4q.shop~shop.svc.cluster.local"
                    assert gate.nodes[0].metadata["LABELS"]["trap"] == "$(POD_NAME)"
                    assert gate.nodes[0].metadata["INSTANCE_IPS"] == ADDRESS
                    pod.put(pod.projected("token-2", first.pem))
                    await until(lambda: _shown(gate, "token-2"), "the new token")
                    await stack.aclose()
                    (folder / "xds.sock").unlink(missing_ok=True)
                    async with control_plane(folder, second) as later:
                        await until(lambda: _refused(pod), "a refusal of who is not trusted")
                        assert not later.tokens
                        pod.put(pod.projected("token-3", second.pem))
                        await until(lambda: _shown(later, "token-3"), "a connection with the new root")


async def _shown(gate: Gate, token: str) -> bool:
    return bool(gate.tokens) and gate.tokens[-1] == token


async def _refused(pod: InjectedPod) -> bool:
    _, text = await pod.get(15000, "/stats?filter=cluster.xds-grpc.ssl.fail_verify_error", inside=True)
    return int(text.rpartition(":")[2]) > 0


Answer = Callable[[str], str]


@contextlib.asynccontextmanager
async def application(
    pod: InjectedPod, port: int, answer: Answer, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """An HTTP server of the pod."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            peer = writer.get_extra_info("peername")[0]
            body = f"{head}peer: {peer}"
            writer.write(f"{answer(head)}content-length: {len(body)}\r\n\r\n{body}".encode())
            await writer.drain()
        writer.close()

    sock = listening_socket(pod.namespace, ADDRESS, port, socket.SOCK_STREAM)
    server = await asyncio.start_server(serve, sock=sock, ssl=tls)
    try:
        yield
    finally:
        server.close()


@contextlib.asynccontextmanager
async def prepared(tmp_path: Path) -> AsyncIterator[InjectedPod]:
    """The pod, redirected and with a ready Envoy; applications are the test's."""
    authority = Authority()
    with open_folder() as folder:
        async with control_plane(folder, authority), running(injected(folder)) as pod:
            pod.put(pod.projected("token-1", authority.pem))
            await pod.init()
            await pod.init()  # a restarted container
            async with pod.envoy(tmp_path / "envoy.log"):
                await pod.ready()
                yield pod


def _redirected(head: str) -> str:
    status = "302 Found\r\nlocation: /elsewhere" if head.startswith("GET /bye") else "200 OK"
    return f"HTTP/1.1 {status}\r\n"


async def test_http_probes(tmp_path: Path) -> None:
    async with prepared(tmp_path) as pod, application(pod, 8080, _redirected):
        with pytest.raises(OSError, match="refused"):
            await pod.get(8080, "/healthz")
        status, text = await pod.get(15020, "/app-health/web/livez")
        assert status == 200
        assert text.startswith("GET /healthz?full=1 HTTP/1.1\r\n")
        assert f"host: {ADDRESS}:8080\r\n" in text
        assert text.endswith("peer: 127.0.0.6")
        assert "x-envoy" not in text
        assert (await pod.get(15020, "/app-lifecycle/web/prestopz"))[0] == 302
        for method, path in (
            ("POST", "/app-health/web/livez"),
            ("GET", "/app-health/web/livez?x=1"),
            ("GET", "/app-health/web/livez/"),
            ("GET", "/app-health/web/livez/../livez"),
            ("GET", "/healthz"),
        ):
            assert (await pod.get(15020, path, method=method))[0] == 404, path


async def test_https_probes(tmp_path: Path) -> None:
    """As the kubelet, without a look at the certificate; the server's name is that of the Host header, where one is."""
    names: list[str | None] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = Authority().issue(x509.DNSName("unknown.test"))
    (tmp_path / "pair.pem").write_bytes(key + certificate)
    tls.load_cert_chain(tmp_path / "pair.pem")
    tls.sni_callback = lambda _, name, __: names.append(name)
    async with prepared(tmp_path) as pod, application(pod, 8443, _redirected, tls):
        assert f"host: {ADDRESS}:8443\r\n" in (await pod.get(15020, "/app-health/secure/livez"))[1]
        assert "host: secure.test\r\n" in (await pod.get(15020, "/app-health/secure/readyz"))[1]
    assert names == [None, "secure.test"]


async def test_tcp_probes(tmp_path: Path) -> None:
    async with prepared(tmp_path) as pod:

        async def answered(status: int) -> bool:
            return (await pod.get(15020, "/app-health/web/readyz"))[0] == status

        assert await answered(503)
        async with application(pod, 8081, _redirected):
            await until(lambda: answered(200), "the port to be seen open")
        await until(lambda: answered(503), "the port to be seen closed")


# A gRPC client and server can only be made inside a network namespace by a process that is in it.
_SERVER: Final = """
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
answer = grpc.unary_unary_rpc_method_handler(lambda request, context: bytes([8, 1]))
methods = {"Check": answer, "Other": answer}
server = grpc.server(ThreadPoolExecutor(2))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods)])
server.add_insecure_port("10.77.5.2:8082")
server.start()
print("ready", flush=True)
sys.stdin.read()
"""
_CLIENT: Final = """
import grpc
channel = grpc.insecure_channel("10.77.5.2:15400")
for method in ("Check", "Other"):
    try:
        print(list(channel.unary_unary("/grpc.health.v1.Health/" + method)(b"", timeout=5)))
    except grpc.RpcError as error:
        print(error.code().name)
"""


@contextlib.asynccontextmanager
async def _python(holder: int, program: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    words = ("nsenter", f"--target={holder}", "--net", sys.executable, "-c", program)
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()


async def test_grpc_probes(tmp_path: Path) -> None:
    async with prepared(tmp_path) as pod, _python(pod.holder, _SERVER) as server:
        assert await _line(server) == "ready"
        async with _python(pod.node_holder, _CLIENT) as client:
            assert [await _line(client), await _line(client)] == ["[8, 1]", "UNIMPLEMENTED"]


async def test_waiting_for_the_proxy(tmp_path: Path) -> None:
    """The program that a classic sidecar runs after its start, when the application is to wait for it."""
    pod = {**POD, "metadata": {"annotations": {"proxy.istio.io/config": "holdApplicationUntilProxyStarts: true"}}}
    outcome = inject(pod, "shop", InjectionSettings())
    assert outcome.pod is not None
    command = outcome.pod["spec"]["containers"][0]["lifecycle"]["postStart"]["exec"]["command"]
    async with prepared(tmp_path) as other:
        words = ("nsenter", f"--target={other.holder}", "--net", *command)
        process = await asyncio.create_subprocess_exec(*words)
        assert await asyncio.wait_for(process.wait(), 10) == 0
