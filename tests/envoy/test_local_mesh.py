"""Pods in real network namespaces with a real Envoy beside them, without a control plane."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from xds.bootstrap.envoy import ControlPlane, bootstrap
from xds.bootstrap.node import ProxyNode
from xds.bootstrap.stats import StatsInclusion
from xds.local import state
from xds.local.commands import started_at
from xds.local.mesh import LocalMesh, unavailable
from xds.local.output import OutputLine
from xds.local.pods import Container, ContainerPort, Phase, PodKey, PodSpec, Restart
from xds.local.services import HostAddresses, LocalService, ServiceEndpoint, ServicePort
from xds.local.settings import LocalSettings

pytestmark = pytest.mark.skipif(unavailable() != "", reason=f"no local mesh here: {unavailable()}")

REPO = Path(__file__).parents[2]
LIMIT = timedelta(seconds=60)
A, B, PLAIN = PodKey("shop", "a"), PodKey("shop", "b"), PodKey("shop", "plain")
VIP = "10.96.0.9"


def echo(name: str, *, inject: bool, annotations: dict[str, str] | None = None, version: str = "v1") -> PodSpec:
    ports = (ContainerPort(8080, "http"), ContainerPort(9000, "tcp"))
    container = Container("app", image="plait/echo:latest", ports=ports)
    labels = {"app": name, "version": version}
    return PodSpec("shop", name, (container,), labels=labels, annotations=annotations or {}, inject=inject)


def manager(side: str, cluster: str) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters."
    route = {
        "match": {"prefix": "/"},
        "route": {"cluster": cluster},
        "request_headers_to_add": [{"header": {"key": f"x-{side}", "value": "envoy"}}],
    }
    router = {"name": "router", "typed_config": {"@type": kind + "http.router.v3.Router"}}
    config = {
        "@type": kind + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": side,
        "route_config": {"virtual_hosts": [{"name": side, "domains": ["*"], "routes": [route]}]},
        "http_filters": [router],
    }
    return {"filters": [{"name": "http", "typed_config": config}]}


def tcp(cluster: str) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
    proxy = {"@type": kind, "stat_prefix": cluster, "cluster": cluster}
    return {"filters": [{"name": "tcp", "typed_config": proxy}]}


def original(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": "2s", **more}


def static(spec: PodSpec, addresses: tuple[str, ...]) -> dict[str, Any]:
    """A sidecar that marks what it carries: HTTP on all ports but 9000, which is TCP."""
    node = ProxyNode("sidecar", spec.namespace, spec.name, addresses, labels=spec.labels)
    config = bootstrap(node, ControlPlane("127.0.0.1:1"), more_stats=StatsInclusion(prefixes=("http.inbound.",)))
    del config["dynamic_resources"], config["layered_runtime"]

    def listener(name: str, port: int, **more: Any) -> dict[str, Any]:
        side, cluster = name, f"{name}-original"
        chains = [
            {"filter_chain_match": {"destination_port": port}, **tcp("blackhole")},
            {"filter_chain_match": {"destination_port": 9000}, **tcp(cluster)},
            manager(side, cluster),
        ]
        address = {"socket_address": {"address": "0.0.0.0", "port_value": port}}
        return {"name": name, "address": address, "filter_chains": chains, **more}

    kind = "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst"
    destination = [{"name": "original-destination", "typed_config": {"@type": kind}}]
    source = {"source_address": {"address": "127.0.0.6", "port_value": 0}}
    config["static_resources"]["listeners"] += [
        listener("outbound", 15001, listener_filters=destination),
        listener("inbound", 15006, listener_filters=destination),
    ]
    config["static_resources"]["clusters"] += [
        original("outbound-original"),
        original("inbound-original", upstream_bind_config=source),
        {"name": "blackhole", "type": "STATIC"},
    ]
    return config


@pytest.fixture
def lines() -> list[OutputLine]:
    return []


@pytest.fixture
async def mesh(request: pytest.FixtureRequest, lines: list[OutputLine]) -> AsyncIterator[LocalMesh]:
    settings = LocalSettings(name=f"test-{os.getpid()}-{request.node.name[:40]}", folder=REPO)
    async with LocalMesh(settings, static, lines.append) as mesh:
        yield mesh


def service(mesh: LocalMesh, name: str, *pods: PodKey, address: str = VIP) -> LocalService:
    ips = [mesh.statuses[pod].ip for pod in pods]
    ports = tuple(
        ServicePort(p, backends=tuple((ip, to) for ip in ips), name=n)
        for n, p, to in [("http", 80, 8080), ("tcp", 9000, 9000)]
    )
    endpoints = tuple(ServiceEndpoint(ip, pod.name, pod) for ip, pod in zip(ips, pods, strict=True))
    return LocalService("shop", name, (address,) if address else (), ports, endpoints)


async def get(mesh: LocalMesh, pod: PodKey, url: str) -> dict[str, Any]:
    done = await mesh.exec(pod, ["curl", "-sS", "--max-time", "10", url])
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


async def test_traffic_passes_both_sidecars(mesh: LocalMesh, lines: list[OutputLine]) -> None:
    await mesh.apply([echo("a", inject=True), echo("b", inject=True), echo("plain", inject=False)])
    await mesh.until_ready(LIMIT)
    mesh.set_services([service(mesh, "b", B)])
    await mesh.services_loaded()

    both = await get(mesh, A, "http://b/")
    assert (both["pod"], both["headers"].get("x-outbound"), both["headers"].get("x-inbound")) == ("b", "envoy", "envoy")
    assert both["peer"] == "127.0.0.6"
    inbound_only = await get(mesh, PLAIN, "http://b.shop.svc.cluster.local/")
    assert "x-outbound" not in inbound_only["headers"]
    assert inbound_only["headers"]["x-inbound"] == "envoy"
    own = await get(mesh, B, "http://b.shop/")
    assert (own["headers"].get("x-outbound"), own["headers"].get("x-inbound")) == ("envoy", "envoy")
    loopback = await get(mesh, A, "http://127.0.0.1:8080/")
    assert "x-inbound" not in loopback["headers"]
    raw = await mesh.exec(A, ["bash", "-c", "exec 3<>/dev/tcp/b/9000; head -1 <&3"])
    assert json.loads(raw.stdout)["pod"] == "b", raw.stderr

    status, body = await mesh.admin_get(B, "/stats?filter=http.inbound.downstream_rq_total")
    assert (status, body.strip()) == (200, b"http.inbound.downstream_rq_total: 3")
    for path, port in (("/healthz/ready", 15021), ("/stats/prometheus", 15090)):
        done = await mesh.exec(PLAIN, ["curl", "-sSf", "-o", "/dev/null", f"http://{mesh.statuses[A].ip}:{port}{path}"])
        assert done.returncode == 0, done.stderr
    other = await mesh.exec(PLAIN, ["curl", "-sSf", f"http://{mesh.statuses[A].ip}:15021/quitquitquit"])
    assert other.returncode == 22
    privileges = await mesh.exec(A, ["sh", "-c", "cat /proc/[0-9]*/status | grep -A60 envoy | grep -E 'Uid|CapEff'"])
    assert "1337" in privileges.stdout
    assert "0000000000000000" in privileges.stdout
    assert [line for line in lines if line.container == "plait"] == []


async def test_annotations_leave_ports_alone(mesh: LocalMesh) -> None:
    prefix = "traffic.sidecar.istio.io/"
    closed = {prefix + "excludeInboundPorts": "8080", prefix + "excludeOutboundIPRanges": f"{VIP}/32"}
    await mesh.apply([echo("a", inject=True, annotations=closed), echo("b", inject=False)])
    await mesh.until_ready(LIMIT)
    mesh.set_services([service(mesh, "b", B)])
    await mesh.services_loaded()
    assert "x-inbound" not in (await get(mesh, B, f"http://{mesh.statuses[A].ip}:8080/"))["headers"]
    assert "x-outbound" not in (await get(mesh, A, "http://b/"))["headers"]


async def test_names_and_services_without_sidecars(mesh: LocalMesh) -> None:
    await mesh.apply([echo("a", inject=False), echo("b", inject=False)])
    await mesh.until_ready(LIMIT)
    ips = [mesh.statuses[pod].ip for pod in (A, B)]
    away = LocalService("shop", "away", external_name="both.shop.svc.cluster.local")
    hosts = [HostAddresses("api.example.com", (VIP,)), HostAddresses("*.wild.test", (VIP,))]
    empty = LocalService("shop", "empty", ("10.96.0.10",), (ServicePort(80),))
    mesh.set_services([service(mesh, "both", A, B), service(mesh, "all", A, B, address=""), away, empty], hosts)
    await mesh.services_loaded()

    async def resolve(name: str) -> list[str]:
        done = await mesh.exec(A, ["getent", "ahostsv4", name])
        return sorted({line.split()[0] for line in done.stdout.splitlines()})

    for name in (
        "both",
        "both.shop",
        "both.shop.svc",
        "both.shop.svc.cluster.local",
        "away",
        "api.example.com",
        "x.wild.test",
    ):
        assert await resolve(name) == [VIP], name
    assert await resolve("all") == sorted(ips)
    assert await resolve("b.all") == [ips[1]]
    assert await resolve("nobody.shop.svc.cluster.local") == []
    over_tcp = (
        "import socket,struct;s=socket.create_connection(('10.77.0.1',53));"
        "q=b'\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\4both\\4shop\\0\\0\\1\\0\\1';s.sendall(struct.pack('!H',len(q))+q);"
        "print(s.recv(999)[-4:])"
    )
    assert (await mesh.exec(A, ["python3", "-c", over_tcp])).stdout == "b'\\n`\\x00\\t'\n"
    seen = {(await get(mesh, A, "http://both/"))["pod"] for _ in range(24)}
    assert seen == {"a", "b"}
    for host in ("empty", "10.96.7.7"):
        refused = await mesh.exec(A, ["curl", "-sS", "--max-time", "3", f"http://{host}/"])
        assert refused.returncode == 7, refused.stderr


async def test_life_of_pods(mesh: LocalMesh, lines: list[OutputLine]) -> None:
    shell = Container("app", command=("sh", "-c", "echo hello from $POD_NAME; exit $CODE"), env=())
    job = PodSpec("shop", "job", (shell,), restart=Restart.NEVER)
    crash = Container("app", command=("sh", "-c", "exit 3"))
    noise = PodSpec("shop", "crash", (crash,))
    none = PodSpec("shop", "none", (Container("app", image="nginx"),))
    await mesh.apply([job, noise, none])
    async with asyncio.timeout(20):
        async for _ in mesh.changes():
            by_name = {key.name: status for key, status in mesh.statuses.items()}
            ended = by_name["job"].phase is Phase.SUCCEEDED and by_name["none"].phase is Phase.FAILED
            if ended and by_name["crash"].restarts >= 1:
                break
    texts = [line.text for line in lines]
    assert "hello from job" in texts
    assert any("app ended with status 3; started again in 0.5 s" in text for text in texts)
    assert any("container.no-command" in text for text in texts)
    await mesh.apply([job])
    assert [key.name for key in mesh.statuses] == ["job"]


async def test_exec_from_another_terminal(mesh: LocalMesh) -> None:
    await mesh.apply([echo("a", inject=True)])
    await mesh.until_ready(LIMIT)
    found = [entry for entry in state.running(state.state_folder()) if entry.pid == os.getpid()]
    pod = state.find_pod(found[0], "shop", "pod/a")
    assert (state.state_folder() / f"{found[0].name}.json").stat().st_mode & 0o777 == 0o600
    words = pod.command(("sh", "-c", "cat; hostname; id -u; exit 5"))
    done = await asyncio.to_thread(
        subprocess.run, words, input="from stdin\n", env=pod.env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (5, "from stdin\na\n1000\n"), done.stderr
    with pytest.raises(state.NotFound, match="there: a"):
        state.find_pod(found[0], "shop", "deploy/zzz")


MURDERED = """
import asyncio, sys
from pathlib import Path
from datetime import timedelta
sys.path.insert(0, {tests!r})
import test_local_mesh as t
async def main():
    settings = t.LocalSettings(name={name!r}, folder=t.REPO)
    async with t.LocalMesh(settings, t.static, lambda line: None) as mesh:
        await mesh.apply([t.echo("a", inject=True), t.echo("b", inject=False)])
        await mesh.until_ready(t.LIMIT)
        print("up", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_nothing_remains(number: signal.Signals) -> None:
    before = host_state()
    name = f"murdered-{os.getpid()}-{number}"
    script = MURDERED.format(tests=str(Path(__file__).parent), name=name)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE, cwd=REPO)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"up\n"
        entry = next(mesh for mesh in state.running(state.state_folder()) if mesh.name == name)
        inside = in_namespace_of(entry.node)
        assert len(inside) > 5
        process.send_signal(number)
        await process.wait()
        while any(map(started_at, inside)):  # noqa: ASYNC110 (the kernel tells nobody)
            await asyncio.sleep(0.02)
    assert host_state() == before
    assert all(mesh.name != name for mesh in state.running(state.state_folder()))
    assert not (state.state_folder() / f"{name}.json").exists()


def in_namespace_of(node: int) -> list[int]:
    """Every process of the mesh: those that see the file system which only its node has."""
    device = Path(f"/proc/{node}/root/run/plait").stat().st_dev
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and (entry / "root/run/plait").stat().st_dev == device:
                found.append(int(entry.name))
    return found


def host_state() -> tuple[str, str, str]:
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    rules = subprocess.run(["iptables-save", "-t", "nat"], capture_output=True, text=True, check=False).stdout
    names = "\n".join(line.split(":")[1] for line in links.splitlines())
    kept = "\n".join(line for line in rules.splitlines() if not line.startswith("#"))
    mounts = Path("/proc/self/mounts").read_text()
    return names, kept, mounts
