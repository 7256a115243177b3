"""Sidecar objects through real sidecars: what callers reach, where connections go, what becomes of the rest."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.envoy.manifests import (
    Manifest,
    documents,
    mesh_config,
    namespace,
    pod,
    security,
    service,
    to,
    virtual_service,
)
from xds.testing.mesh import Mesh

WEB = "web.shop.svc.cluster.local"
STOCK = "stock.ops.svc.cluster.local"
HTTP: Manifest = {"name": "http", "port": 80, "targetPort": 8080}
SERVER = """
import http.server, os, socketserver, sys
class Server(socketserver.ThreadingUnixStreamServer):
    def get_request(self):
        return (super().get_request()[0], ("unix", 0))
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "6")
        self.end_headers()
        self.wfile.write(b"socket")
os.umask(0)
Server(sys.argv[1], Answer).serve_forever()
"""


TLS_CLIENT = """
import http.client, socket, ssl, sys
raw = socket.create_connection((sys.argv[1], 8080), 5)
tls = ssl.create_default_context(cafile=sys.argv[2]).wrap_socket(raw, server_hostname="own.example.com")
connection = http.client.HTTPConnection("web")
connection.sock = tls
connection.request("GET", "/")
print(connection.getresponse().status)
"""


@pytest.fixture(scope="module")
def sockets() -> Any:
    with TemporaryDirectory(prefix="plait-test-") as folder:
        Path(folder).chmod(0o777)
        yield folder


@pytest.fixture(scope="module")
def mesh_manifests(sockets: str) -> str:
    certificate(sockets)
    return documents(
        *(namespace(name) for name in ("shop", "ops")),
        namespace("istio-system", inject=False),
        namespace("outside", inject=False),
        pod("client"),
        pod("other"),
        pod("web-v1", ports="http:8080 http-second:8081 tcp:9000"),
        service("web", HTTP, {"name": "http-second", "port": 8081}, {"name": "tcp", "port": 9000}),
        pod("stock-v1", namespace="ops", ports="http:8080 tcp:9000"),
        service("stock", HTTP, {"name": "tcp", "port": 9000}, namespace="ops"),
        pod("far", namespace="outside"),
        pod("socket-v1", ports="", command=["python3", "-c", SERVER, f"{sockets}/app.sock"]),
        service("socket", HTTP),
    )


def certificate(folder: str) -> None:
    """A certificate of ``own.example.com`` and its key, as files that everybody may read."""
    wanted = ["-subj", "/CN=own.example.com", "-addext", "subjectAltName=DNS:own.example.com", "-days", "2"]
    files = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run([*made, *wanted, *files], check=True, capture_output=True)
    for name in ("key.pem", "cert.pem"):
        Path(folder, name).chmod(0o644)


def sidecar(name: str, *, namespace: str = "shop", app: str = "", **spec: Any) -> Manifest:
    chosen = {"workloadSelector": {"labels": {"app": app}}} if app else {}
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": metadata,
        "spec": {**chosen, **spec},
    }


def port(number: int, protocol: str = "HTTP") -> Manifest:
    return {"number": number, "protocol": protocol, "name": protocol.lower()}


async def clusters(mesh: Mesh, of: str = "client") -> set[str]:
    """The hosts of the clusters that a pod's proxy has."""
    dump = await mesh.config_dump(of)
    configs = next(each for each in dump["configs"] if each["@type"].endswith("ClustersConfigDump"))
    named = (each["cluster"]["name"] for each in configs.get("dynamic_active_clusters", ()))
    return {name.rpartition("|")[2] for name in named if name.startswith("outbound|")}


async def test_only_named_hosts_are_sent(mesh: Mesh) -> None:
    everything = await clusters(mesh)
    assert {WEB, STOCK} <= everything
    await mesh.apply(documents(sidecar("default", egress=[{"hosts": ["./*"]}], outboundTrafficPolicy={})))
    assert STOCK not in await clusters(mesh)
    assert (await mesh.get("client", "http://web/")).pod == "web-v1"
    assert (await mesh.get("client", "http://stock.ops/")).status == 502
    (reply,) = await mesh.tcp("client", "stock.ops", 9000, ["hello"])
    assert (reply.closed, reply.messages) == (True, ())
    await mesh.delete()
    assert await clusters(mesh) == everything
    assert (await mesh.get("client", "http://stock.ops/")).pod == "stock-v1"


async def test_what_is_not_named_is_let_through_without_the_mesh(mesh: Mesh) -> None:
    allow = {"mode": "ALLOW_ANY"}
    some = sidecar("default", app="client", egress=[{"hosts": ["./*"]}], outboundTrafficPolicy=allow)
    await mesh.apply(documents(some))
    assert (await mesh.get("client", "http://stock.ops/")).pod == "stock-v1"
    assert any((await mesh.stats("client", "PassthroughCluster.*upstream_cx_total$")).values())
    # In plaintext, as it is no service that the caller knows.
    strict = security("PeerAuthentication", "strict", "ops", mtls={"mode": "STRICT"})
    await mesh.apply(documents(some, strict))
    (reply,) = await mesh.tcp("client", "stock.ops", 9000, ["hello"])
    assert "hello" not in reply.messages
    (reply,) = await mesh.tcp("other", "stock.ops", 9000, ["hello"])
    assert reply.messages[1:] == ("hello",)


async def test_a_sidecar_of_some_workloads(mesh: Mesh) -> None:
    wide = sidecar("default", egress=[{"hosts": ["./*"]}], outboundTrafficPolicy={})
    chosen = sidecar("chosen", app="client", egress=[{"hosts": ["*/*", f"~shop/{WEB}"]}], outboundTrafficPolicy={})
    await mesh.apply(documents(wide, chosen))
    assert (await mesh.get("client", "http://stock.ops/")).pod == "stock-v1"
    assert (await mesh.get("client", "http://web/")).status == 502
    assert (await mesh.get("other", "http://stock.ops/")).status == 502
    assert (await mesh.get("other", "http://web/")).pod == "web-v1"


async def test_a_sidecar_of_the_mesh(mesh: Mesh) -> None:
    wide = sidecar("default", namespace="istio-system", egress=[{"hosts": ["./*"]}], outboundTrafficPolicy={})
    await mesh.apply(documents(wide))
    assert (await mesh.get("client", "http://web/")).pod == "web-v1"
    assert (await mesh.get("client", "http://stock.ops/")).status == 502
    assert (await mesh.get("ops/stock", "http://stock/")).pod == "stock-v1"
    assert (await mesh.get("ops/stock", "http://web.shop/")).status == 502


async def test_hosts_of_one_port(mesh: Mesh) -> None:
    of_port = {"port": port(80), "hosts": ["ops/*"]}
    await mesh.apply(documents(sidecar("a", egress=[of_port, {"hosts": ["shop/*"]}], outboundTrafficPolicy={})))
    assert (await mesh.get("client", "http://stock.ops/")).pod == "stock-v1"
    assert (await mesh.get("client", "http://web/")).status == 502
    assert (await mesh.get("client", "http://web:8081/")).pod == "web-v1"
    (reply,) = await mesh.tcp("client", "web", 9000, ["hello"])
    assert reply.messages[1:] == ("hello",)
    (reply,) = await mesh.tcp("client", "stock.ops", 9000, ["hello"])
    assert reply.messages == ()


async def test_what_routes_lead_to_comes_with_them(mesh: Mesh) -> None:
    only = sidecar("a", egress=[{"hosts": ["./*"]}], outboundTrafficPolicy={})
    await mesh.apply(documents(only, virtual_service("web", {"route": [to(STOCK)]})))
    assert (await mesh.get("client", "http://web/")).pod == "stock-v1"
    assert STOCK in await clusters(mesh)


async def test_routes_of_namespaces_that_are_not_named_are_not_seen(mesh: Mesh) -> None:
    answer = virtual_service(WEB, {"directResponse": {"status": 418}}, name="web", namespace="ops")
    await mesh.apply(documents(answer))
    assert (await mesh.get("client", "http://web/")).status == 418
    await mesh.apply(documents(answer, sidecar("a", egress=[{"hosts": ["./*"]}])))
    assert (await mesh.get("client", "http://web/")).status == 200


async def test_listeners_of_their_own(mesh: Mesh, sockets: str) -> None:
    path = f"{sockets}/out.sock"
    egress = [
        {"port": port(8081), "bind": "127.0.0.1", "captureMode": "NONE", "hosts": ["./*"]},
        {"port": port(9000, "TCP"), "captureMode": "NONE", "hosts": [f"ops/{STOCK}"]},
        {"port": port(3128, "HTTP_PROXY"), "hosts": ["ops/*"]},
        {"port": port(80), "bind": f"unix://{path}", "hosts": ["ops/*"]},
        {"hosts": ["./*"]},
    ]
    await mesh.apply(documents(sidecar("a", app="other", egress=egress, outboundTrafficPolicy={})))
    answer = await mesh.get("other", "http://127.0.0.1:8081/", headers={"Host": "web"})
    assert answer.pod == "web-v1"
    (reply,) = await mesh.tcp("other", "127.0.0.1", 9000, ["hello"])
    assert reply.messages[1:] == ("hello",)
    assert (await mesh.get("other", "http://127.0.0.1:3128/", headers={"Host": "stock.ops"})).pod == "stock-v1"
    assert (await mesh.get("other", "http://127.0.0.1:3128/", headers={"Host": "web"})).status == 502
    assert "200" in await over_socket(path, "stock.ops")
    assert "502" in await over_socket(path, "web")


async def test_a_listener_of_its_own_keeps_to_tcp_routes(mesh: Mesh) -> None:
    egress = [{"port": port(9000, "TCP"), "captureMode": "NONE", "hosts": [f"./{WEB}"]},
              {"hosts": ["./*", "ops/*"]}]  # fmt: skip
    kept = sidecar("a", app="other", egress=egress)
    await mesh.apply(documents(kept))
    assert await who(mesh) == "web-v1"
    there = virtual_service(WEB, name="tcp", tcp=[{"route": [{"destination": {"host": STOCK}}]}])
    await mesh.apply(documents(kept, there))
    assert await who(mesh) == "stock-v1"


async def who(mesh: Mesh) -> str:
    """The pod that a Sidecar's own listener for TCP leads to, as its greeting says."""
    (reply,) = await mesh.tcp("other", "127.0.0.1", 9000, ["hello"])
    return next(name for name in ("web-v1", "stock-v1") if name in reply.messages[0])


async def over_socket(path: str, host: str) -> str:
    """The status line of a request over a UNIX socket."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    status = await reader.readline()
    writer.close()
    return status.decode()


async def test_the_rest_goes_through_a_service(mesh: Mesh) -> None:
    proxy = {"mode": "ALLOW_ANY", "egressProxy": {"host": STOCK, "port": {"number": 80}}}
    await mesh.apply(documents(sidecar("a", app="client", egress=[{"hosts": ["./*"]}], outboundTrafficPolicy=proxy)))
    answer = await mesh.get("client", f"http://{mesh.ip('other')}/x", headers={"Host": "who.example.com"})
    assert (answer.pod, answer.echo["host"]) == ("stock-v1", "who.example.com")
    assert (await mesh.get("client", "http://web/")).pod == "web-v1"


async def test_the_rest_goes_through_a_service_as_the_mesh_says(mesh: Mesh) -> None:
    proxy = {"mode": "ALLOW_ANY", "egressProxy": {"host": STOCK, "port": {"number": 80}}}
    await mesh.apply(documents(mesh_config(outboundTrafficPolicy=proxy)))
    answer = await mesh.get("client", f"http://{mesh.ip('other')}/x", headers={"Host": "who.example.com"})
    assert answer.pod == "stock-v1"


async def test_ingress_says_where_the_application_is(mesh: Mesh) -> None:
    ingress = [{"port": port(8080), "defaultEndpoint": "127.0.0.1:8081"}]
    await mesh.apply(documents(sidecar("a", app="web", ingress=ingress)))
    assert (await mesh.get("client", "http://web/")).pod == "web-v1"
    sent = await mesh.stats("web-v1", r"cluster\.inbound\|8080.*upstream_cx_total")
    assert any(sent.values())
    # A port of a service that it does not name is passed on as that of nobody.
    (reply,) = await mesh.tcp("client", "web", 9000, ["hello"])
    assert reply.messages[1:] == ("hello",)
    assert not await mesh.stats("web-v1", r"cluster\.inbound\|9000.*upstream_cx_total")


async def test_ingress_to_a_socket(mesh: Mesh, sockets: str) -> None:
    ingress = [{"port": port(8080), "defaultEndpoint": f"unix://{sockets}/app.sock"}]
    assert (await mesh.get("client", "http://socket/")).status == 503
    await mesh.apply(documents(sidecar("a", app="socket", ingress=ingress)))
    answer = await mesh.get("client", "http://socket/")
    assert (answer.status, answer.body) == (200, "socket")


async def test_ingress_ends_tls_of_the_workloads_own(mesh: Mesh, sockets: str) -> None:
    tls = {"mode": "SIMPLE", "serverCertificate": f"{sockets}/cert.pem", "privateKey": f"{sockets}/key.pem"}
    ingress = [{"port": port(8080), "tls": tls, "defaultEndpoint": "127.0.0.1:8080"}]
    await mesh.apply(documents(sidecar("a", app="web", ingress=ingress)))
    assert (await mesh.get("client", "http://web/")).pod == "web-v1"  # by the mesh's own
    client = [sys.executable, "-c", TLS_CLIENT, mesh.ip("web-v1"), f"{sockets}/cert.pem"]
    assert (await mesh.local.exec(mesh.pod("far"), client)).stdout.strip() == "200"
    assert (await mesh.get("far", f"http://{mesh.ip('web-v1')}:8080/")).status == 0  # plaintext is refused


async def test_ingress_on_a_port_of_the_proxy(mesh: Mesh) -> None:
    ingress = [{"port": port(7070), "captureMode": "NONE", "defaultEndpoint": "127.0.0.1:8080"}]
    await mesh.apply(documents(sidecar("a", app="web", ingress=ingress)))
    assert (await mesh.get("web-v1", "http://127.0.0.1:7070/")).pod == "web-v1"


async def test_pools_towards_the_application(mesh: Mesh) -> None:
    pool = {"http": {"http2MaxRequests": 1}}
    await mesh.apply(documents(sidecar("a", app="web", inboundConnectionPool=pool)))
    dump = await mesh.config_dump("web-v1")
    configs = next(each for each in dump["configs"] if each["@type"].endswith("ClustersConfigDump"))
    found = {each["cluster"]["name"]: each["cluster"] for each in configs["dynamic_active_clusters"]}
    (threshold, *_) = found["inbound|8080||"]["circuit_breakers"]["thresholds"]
    assert threshold["max_requests"] == 1


async def test_the_application_is_on_loopback(mesh: Mesh) -> None:
    settings = mesh_config(inboundTrafficPolicy={"mode": "LOCALHOST"}, proxyHttpPort=15080)
    await mesh.apply(documents(settings))
    answer = await mesh.get("client", "http://web/")
    assert (answer.pod, answer.echo["peer"]) == ("web-v1", "127.0.0.1")
    assert (await mesh.get("client", "http://127.0.0.1:15080/", headers={"Host": "web"})).pod == "web-v1"
