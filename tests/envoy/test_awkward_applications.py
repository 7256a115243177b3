"""What meshes stumble over, under STRICT mutual TLS: servers that speak first, half-closed connections, old HTTP."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.envoy.manifests import HTTP, Manifest, documents, mesh_config, namespace, pod, security, service
from tests.envoy.programs import AFTER_EOF, HALF_CLOSING, SMTP_CLIENT, UDP_CLIENT, UDP_ECHO, python
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

MSMTPD = shutil.which("msmtpd")


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        mesh_config(protocolDetectionTimeout="0.5s"),
        security("PeerAuthentication", "default", mtls={"mode": "STRICT"}),
        pod("client"),
        pod("web-v1", ports="http:8080 tcp:9000"),
        service("web", HTTP, {"name": "tcp", "port": 9000}),
        *stateful(),
        pod("eof", ports="tcp:9001", command=python(AFTER_EOF)),
        service("eof", {"name": "tcp", "port": 9001}),
        pod("udp", ports="", command=python(UDP_ECHO)),
        service("udp", {"name": "udp", "port": 5353, "protocol": "UDP"}),
        *mail(),
    )


def stateful() -> list[Manifest]:
    """Two pods with names of their own, as a StatefulSet has them."""
    container = {
        "name": "app",
        "image": "plait/echo",
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "tcp", "containerPort": 9000}],
    }
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    template = {"metadata": {"labels": {"app": "db"}}, "spec": spec}
    wanted = {"serviceName": "db", "replicas": 2, "selector": {"matchLabels": {"app": "db"}}, "template": template}
    ports = ({"name": "http", "port": 8080}, {"name": "tcp", "port": 9000})
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": "shop"},
            "spec": wanted,
        },
        service("db", *ports, clusterIP="None"),
    ]


def mail() -> list[Manifest]:
    """A mail server, on a port that says its protocol and on one that does not."""
    if MSMTPD is None:
        return []
    declared = {"name": "tcp-smtp", "port": 25, "targetPort": 2525}
    silent = {"name": "mail", "port": 2526, "targetPort": 2525}
    command = [MSMTPD, "--interface=0.0.0.0", "--port=2525", "--command=cat >/dev/null; true"]
    return [
        pod("mail", ports="smtp:2525", command=command),
        service("mail", declared),
        service("post", silent, selector={"app": "mail"}),
    ]


async def said(mesh: Mesh, program: str, *arguments: str, pod: str = "client") -> str:
    """What a program says in a pod."""
    done = await mesh.local.exec(mesh.pod(pod), python(program, *arguments))
    assert done.returncode == 0, done
    return done.stdout.strip()


async def plain_connections(mesh: Mesh, pod: str) -> int:
    """How many connections of the pod's proxy have failed the handshake or were refused for plaintext."""
    return sum((await mesh.stats(pod, r"ssl\.connection_error$")).values())


@pytest.mark.skipif(MSMTPD is None, reason="no msmtpd is installed (Debian: msmtp-mta)")
@pytest.mark.parametrize(("host", "port"), [("mail", "25"), ("post", "2526")])
async def test_a_mail_server_speaks_first(mesh: Mesh, host: str, port: str) -> None:
    assert (await said(mesh, SMTP_CLIENT, host, port)).splitlines() == ["localhost", "{}"]


@pytest.mark.parametrize("number", [0, 1])
async def test_pods_of_a_stateful_set_by_name_and_by_address(mesh: Mesh, number: int) -> None:
    name = f"db-{number}"
    address = mesh.local.statuses[mesh.pod(name)].ip
    for host in (f"{name}.db", f"{name}.db.shop.svc.cluster.local", address):
        assert (await mesh.get("client", f"http://{host}:8080")).pod == name
        (reply,) = await mesh.tcp("client", host, 9000, ["hello"])
        assert (reply.echo["pod"], reply.messages[1:]) == (name, ("hello",))
    assert await plain_connections(mesh, name) == 0


async def test_a_pod_calls_itself(mesh: Mesh) -> None:
    own = mesh.local.statuses[mesh.pod("web")].ip
    for host in ("web", f"{own}:8080", "127.0.0.1:8080"):
        assert (await mesh.get("web", f"http://{host}/")).pod == "web-v1"
    for host in ("web", own, "127.0.0.1"):
        (reply,) = await mesh.tcp("web", host, 9000, ["hello"])
        assert reply.echo["pod"] == "web-v1"


async def test_who_has_closed_its_half_still_gets_the_answer(mesh: Mesh) -> None:
    assert await said(mesh, HALF_CLOSING, "eof", "9001") == "1000000 bytes"


async def test_udp_is_left_alone(mesh: Mesh) -> None:
    assert await said(mesh, UDP_CLIENT, "udp", "5353") == "echo hello"


async def curl(mesh: Mesh, *arguments: str) -> str:
    done = await mesh.local.exec(
        mesh.pod("client"), ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *arguments]
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr


async def test_http_1_0_is_spoken(mesh: Mesh) -> None:
    assert await curl(mesh, "--http1.0", "http://web/") == "200"
    assert await curl(mesh, "--http1.0", "-H", "Host:", "http://web/") in {"200", "400", "404"}  # names nobody


async def test_an_offer_of_http_2_is_ignored_or_taken(mesh: Mesh) -> None:
    assert await curl(mesh, "--http2", "http://web/") == "200"


async def test_large_headers(mesh: Mesh) -> None:
    assert (await mesh.get("client", "http://web/", headers={"x-large": "a" * 50_000})).status == 200
    assert (await mesh.get("client", "http://web/", headers={"x-large": "a" * 90_000})).status == 431


async def test_large_bodies(mesh: Mesh, tmp_path: Path) -> None:
    file = tmp_path / "body"
    with file.open("wb") as body:
        body.truncate(64 * 1024 * 1024)
    assert await curl(mesh, "--data-binary", f"@{file}", "http://web/") == "200"
    assert await curl(mesh, "http://web/?size=33554432") == "200"
