"""What counting costs: ``python -m bench.telemetry_cost [SIDECARS]``. Takes a minute; needs nothing but Envoy.

Of an Envoy with the loggers of a sidecar: processor time of a request, memory of a chain, bytes of a flush where 30
pairs are busy, and how many flushes there are where none is. Of a control plane: processor time for the flushes of so
many sidecars, and how long a step of its event loop takes at most.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.request import urlopen

import grpc
import grpc.aio

from bench.process import usage
from bench.steps import steps
from xds.bootstrap.stats import NOTHING_MORE, stats
from xds.cli.collector import relax
from xds.local.sidecar import installed_envoy
from xds.model.proxy import Proxy
from xds.model.snapshot import Snapshot
from xds.model.standard_metrics import NODE_LABELS, variable
from xds.server import Node, Peer, Reporter, Server, SnapshotCache
from xds.server.metrics_service import METHOD, SERVICE
from xds.telemetry.telemetry import Telemetry
from xds.telemetry.unfolded import Unfolded
from xds.translators import standard_metrics, told_metrics
from xds.view.names import CONTROL_PLANE
from xds.wire.codec import to_plain

Json = dict[str, Any]

_PAIRS: Final = 30
_CHAINS: Final = 50
_REQUESTS: Final = 20_000
_PIPELINED: Final = 50
_REPEATS: Final = 3
_FLUSH_S: Final = 2
_ROUND_S: Final = 10
_LOOK_AGAIN_S: Final = 0.005
_WORKERS: Final = 4
_TYPE: Final = "type.googleapis.com/envoy."
_HCM: Final = "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ANSWER: Final = {"status": 200, "body": {"inline_string": "hello"}}
_SOURCE: Final = standard_metrics.Reporter.SOURCE
_STANDARD: Final = standard_metrics.http_loggers(_SOURCE)
_HTTP: Final = (*_STANDARD, *told_metrics.http_loggers(_SOURCE))
_TCP: Final = (*standard_metrics.tcp_loggers(_SOURCE), *told_metrics.tcp_loggers(_SOURCE))
_REPORTING: Final = {"id": "sidecar~10.0.0.1~web-0.shop~shop.svc.cluster.local", "workload": "web", "version": "v1"}


def _extension(kind: str, **fields: Any) -> Json:
    return {"name": kind.rpartition(".")[2], "typed_config": {"@type": _TYPE + kind, **fields}}


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _listener(port: int, filters: Json) -> Json:
    return {"name": f"l{port}", "address": _address(port), "filter_chains": [{"filters": [filters]}]}


def _http(routes: Sequence[Json], loggers: Iterable[Any]) -> Json:
    hosts = [{"name": "all", "domains": ["*"], "routes": list(routes)}]
    return _extension(
        _HCM,
        stat_prefix="h",
        route_config={"name": "r", "virtual_hosts": hosts},
        http_filters=[_extension("extensions.filters.http.router.v3.Router")],
        access_log=[to_plain(each) for each in loggers],
    )


def _tcp(loggers: Iterable[Any]) -> Json:
    logs = [to_plain(each) for each in loggers]
    return _extension(
        "extensions.filters.network.tcp_proxy.v3.TcpProxy", stat_prefix="t", cluster="s0", access_log=logs
    )


def _cluster(number: int, port: int) -> Json:
    name = f"web-{number}"
    service = {"host": f"{name}.shop.svc.cluster.local", "name": name, "namespace": "shop"}
    server = {
        "workload": name,
        "app": name,
        "version": "v1",
        "service": name,
        "revision": "v1",
        "cluster": "Kubernetes",
    }
    endpoint = {"endpoint": {"address": _address(port)}, "metadata": {"filter_metadata": {"istio": server}}}
    return {
        "name": f"s{number}",
        "metadata": {"filter_metadata": {"istio": service}},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _control_plane(port: int) -> Json:
    kind = "extensions.upstreams.http.v3.HttpProtocolOptions"
    options = {"@type": _TYPE + kind, "explicit_http_config": {"http2_protocol_options": {}}}
    made = {**_cluster(0, port), "name": CONTROL_PLANE}
    return {**made, "typed_extension_protocol_options": {f"envoy.{kind}": options}}


def _free(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def _envoy(listeners: Sequence[Json], clusters: Sequence[Json], folder: Path, **more: Any) -> Any:
    """A running Envoy of one worker: its process id, and how to get a page of its admin interface."""
    admin = folder / "admin"
    admin.unlink(missing_ok=True)
    config = {
        "admin": {"address": _address(0)},
        "static_resources": {"listeners": list(listeners), "clusters": list(clusters)},
        **more,
    }
    (folder / "envoy.json").write_text(json.dumps(config))
    words = ("--admin-address-path", str(admin), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
    labels = {variable(name): "web" for name in NODE_LABELS}
    binary = installed_envoy() or sys.exit("bench.telemetry_cost: no Envoy is installed here")
    with Popen(
        [binary, "-c", str(folder / "envoy.json"), *words], env=labels, stdout=DEVNULL, stderr=DEVNULL
    ) as process:

        def page(path: str) -> bytes:
            with urlopen(f"http://{admin.read_text()}{path}", timeout=10) as answer:
                found: bytes = answer.read()
            return found

        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                try:
                    if page("/ready").strip() == b"LIVE":
                        break
                except (OSError, ValueError):
                    time.sleep(0.05)
            yield process.pid, page
        finally:
            process.terminate()


def _ask(port: int, path: str, count: int, body: str = "") -> None:
    """So many requests over one connection, some at once."""
    method, length = ("POST", f"content-length: {len(body)}\r\n") if body else ("GET", "")
    wanted = f"{method} {path} HTTP/1.1\r\nhost: a\r\n{length}\r\n{body}".encode() * min(count, _PIPELINED)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(max(1, count // _PIPELINED)):
            connection.sendall(wanted)
            left = min(count, _PIPELINED)
            while left > 0:
                left -= connection.recv(65536).count(b"HTTP/1.1 200")


def _counting(flush_s: int = 10) -> Json:
    made = stats(NOTHING_MORE, _REPORTING)
    return {**made, "stats_flush_interval": f"{flush_s}s", "stats_eviction_interval": f"{flush_s * 100}s"}


def request_us(loggers: Iterable[Any], folder: Path) -> float:
    """Microseconds of processor time of a request that Envoy passes on to itself."""
    front, back = _free(2)
    found = _listener(back, _http([{"match": {"prefix": "/"}, "direct_response": _ANSWER}], ()))
    passed = _listener(front, _http([{"match": {"prefix": "/"}, "route": {"cluster": "s0"}}], loggers))
    alone = {key: value for key, value in _counting().items() if key != "stats_sinks"}
    with _envoy([found, passed], [_cluster(0, back)], folder, **alone) as (pid, _):
        _ask(front, "/", 500)
        before = usage(pid).cpu
        _ask(front, "/", _REQUESTS)
        return (usage(pid).cpu - before) / _REQUESTS * 1e6


def chain_bytes(filters: Json, folder: Path) -> float:
    """Bytes of Envoy's memory that each of many listeners with that filter takes."""
    alone = {key: value for key, value in _counting().items() if key != "stats_sinks"}
    taken = []
    for count in (1, _CHAINS + 1):
        listeners = [_listener(port, filters) for port in _free(count)]
        with _envoy(listeners, [_cluster(0, 9)], folder, **alone) as (_, page):
            taken.append(int(json.loads(page("/memory"))["allocated"]))
    return (taken[1] - taken[0]) / _CHAINS


def flushes(folder: Path) -> tuple[bytes, int]:
    """What a sidecar sends when all of its pairs are busy, and how often it sends anything when none is."""
    got: list[bytes] = []

    class Receiver(grpc.GenericRpcHandler):
        def service(self, _details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(take)

    def take(data: bytes, _context: Any) -> bytes:
        got.append(data)
        return b""

    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads, handlers=[Receiver()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        front, back = _free(2)
        found = _listener(back, _http([{"match": {"prefix": "/"}, "direct_response": _ANSWER}], ()))
        routes = [{"match": {"prefix": f"/{at}/"}, "route": {"cluster": f"s{at}"}} for at in range(_PAIRS)]
        clusters = [*(_cluster(at, back) for at in range(_PAIRS)), _control_plane(port)]
        listeners = [found, _listener(front, _http(routes, _HTTP))]
        with _envoy(listeners, clusters, folder, **_counting(_FLUSH_S)):
            for at in range(_PAIRS):
                _ask(front, f"/{at}/", 1, "hello")
            time.sleep(2 * _FLUSH_S)
            busy = list(got)
            time.sleep(3 * _FLUSH_S)
            idle = len(got) - len(busy)
        server.stop(None)
    return max(busy, key=len), idle


async def control_plane(message: bytes, sidecars: int) -> str:
    """What flushes of so many sidecars cost, spread over the time between two."""
    relax()
    telemetry = Telemetry(Snapshot, tuple, time.time)

    async def admit(node: Node, _peer: Peer) -> Reporter[Proxy]:
        return Reporter(Proxy(node.id, namespace="shop", name="web-0"))

    server = Server(SnapshotCache())
    server.add_metrics(Unfolded(telemetry), admit)
    port = server.add_plaintext("127.0.0.1:0")
    await server.start()
    words = (sys.executable, "-m", "bench.telemetry_cost", "--senders", str(port), str(sidecars))
    senders = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.PIPE)
    assert senders.stdin is not None
    senders.stdin.write(message)
    senders.stdin.close()
    known = telemetry.known
    with steps() as first:
        while known.messages < sidecars:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(_LOOK_AGAIN_S)
    before = time.process_time()
    with steps() as then:
        while known.messages < 2 * sidecars:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_AGAIN_S)
    spent = time.process_time() - before
    await senders.wait()
    await server.stop()
    return (
        f"{spent / sidecars * 1000:.2f} ms a flush, {spent / _ROUND_S:.0%} of a processor; "
        f"a step of the event loop took {then.spent * 1000:.1f} ms of processor time at most "
        f"({then.took * 1000:.0f} ms by the clock), "
        f"{first.spent * 1000:.1f} ms ({first.took * 1000:.0f}) while all series were new"
    )


async def send(port: int, sidecars: int, message: bytes) -> None:
    """Two flushes of each of so many sidecars, evenly spread."""
    own = _REPORTING["id"].encode()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{SERVICE}/{METHOD}")

        async def sidecar(number: int) -> None:
            mine = message.replace(own, own.replace(b"0.0.1~web-0", f"{number:05}~web-0"[-11:].encode()))
            await asyncio.sleep(number * _ROUND_S / sidecars)
            for _ in range(2):
                began = time.monotonic()
                await stub(mine)
                await asyncio.sleep(max(0.0, began + _ROUND_S - time.monotonic()))

        await asyncio.gather(*map(sidecar, range(sidecars)))


def main(sidecars: int) -> None:
    """Print the figures."""
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with TemporaryDirectory() as name:
        folder = Path(name)
        for what, loggers in {"no loggers": (), "the standard metrics": _STANDARD, "and what is told": _HTTP}.items():
            spent = min(request_us(loggers, folder) for _ in range(_REPEATS))
            print(f"a request, {what:22} {spent:6.1f} us of processor time", flush=True)
        route = [{"match": {"prefix": "/"}, "route": {"cluster": "s0"}}]
        bare, http = (chain_bytes(_http(route, loggers), folder) for loggers in ((), _HTTP))
        bare_tcp, tcp = (chain_bytes(_tcp(loggers), folder) for loggers in ((), _TCP))
        print(f"loggers of a chain of HTTP {(http - bare) / 1024:6.1f} KB, of TCP {(tcp - bare_tcp) / 1024:.1f} KB")
        message, idle = flushes(folder)
    print(f"a flush, {_PAIRS} pairs busy {len(message) / 1000:6.1f} KB, none busy {idle} flushes", flush=True)
    print(f"{sidecars} sidecars, all busy: {asyncio.run(control_plane(message, sidecars))}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--senders"]:
        asyncio.run(send(int(sys.argv[2]), int(sys.argv[3]), sys.stdin.buffer.read()))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
