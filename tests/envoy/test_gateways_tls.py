"""Gateways over TLS: which certificate is shown to whom, who is believed, and what is passed on."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ca.authority import Authority, Issued
from ca.issuer import Issuer, self_signed
from tests.envoy.manifests import (
    Manifest,
    documents,
    gateway,
    mesh_config,
    namespace,
    pod,
    router,
    server,
    service,
    to,
    virtual_service,
)
from tests.envoy.readable import readable
from xds.testing.mesh import Mesh

OUTSIDE = "outside/browser"
DAY = timedelta(days=1)
SIMPLE = {"mode": "SIMPLE", "credentialName": "site"}

# Keeps one connection while it is told to go on, and says what it saw: the certificate, and the status of each request.
_PROGRAM = """
import json, socket, ssl, sys, tempfile
asked = json.loads(sys.stdin.readline())
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_alpn_protocols(asked["alpn"])
if asked["tls12"]:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
if asked["chain"]:
    with tempfile.NamedTemporaryFile("w") as pair:
        pair.write(asked["key"] + asked["chain"])
        pair.flush()
        context.load_cert_chain(pair.name)
told = {"status": 0, "body": "", "failed": "", "names": "", "version": ""}
try:
    with socket.create_connection((asked["host"], asked["port"]), 10) as plain:
        if asked["preface"]:
            plain.sendall(asked["preface"].encode())
        with context.wrap_socket(plain, server_hostname=asked["sni"] or None) as secure:
            told["version"] = secure.version()
            der = secure.getpeercert(binary_form=True)
            from cryptography import x509
            names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
            told["names"] = ",".join(names.value.get_values_for_type(x509.DNSName))
            if asked["bytes"]:
                secure.sendall(asked["bytes"].encode())
            else:
                lines = (f"GET {asked['path']} HTTP/1.1", f"host: {asked['authority']}", "connection: close", "", "")
                secure.sendall("\\r\\n".join(lines).encode())
            data = b""
            while chunk := secure.recv(65536):
                data += chunk
                if asked["bytes"] and data.count(b"\\n") >= 2:
                    break
            head, _, body = data.partition(b"\\r\\n\\r\\n")
            told["status"] = int(head.split()[1]) if head.startswith(b"HTTP/") else 0
            told["body"] = (body or head).decode(errors="replace")
except OSError as error:
    told["failed"] = f"{type(error).__name__}: {error}"
print(json.dumps(told))
"""


@dataclass(frozen=True)
class Seen:
    """What a client of TLS saw."""

    status: int
    body: str
    failed: str
    names: str
    version: str

    @property
    def echo(self) -> Any:
        """What ``plait echo`` said, chunked or not."""
        return json.loads(self.body[self.body.index("{") : self.body.rindex("}") + 1])


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return self_signed(datetime.now(UTC))


def issued(issuer: Issuer, *names: str) -> Issued:
    return Authority(issuer, "example.com").issue_server(list(names), DAY, datetime.now(UTC))


def client_of(issuer: Issuer) -> Issued:
    return Authority(issuer, "example.com").issue("spiffe://example.com/ns/x/sa/y", DAY, datetime.now(UTC))


def secret(name: str, certificate: Issued | None = None, authorities: Issuer | None = None, **more: str) -> Manifest:
    texts: dict[str, str] = {}
    if certificate is not None:
        texts |= {"tls.crt": certificate.certificate_chain.decode(), "tls.key": certificate.private_key.decode()}
    if authorities is not None:
        texts["ca.crt"] = Authority(authorities, "example.com").roots.pem.decode()
    metadata = {"name": name, "namespace": more.get("namespace", "ingress")}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": texts}


@pytest.fixture(scope="module")
def mesh_manifests(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tls")
    served = issued(issuer, "inner.test")
    (folder / "cert.pem").write_bytes(served.certificate_chain)
    (folder / "key.pem").write_bytes(served.private_key)
    readable(folder)
    echo = ["plait", "echo", "--https", "8443", "--tls", str(folder / "cert.pem"), str(folder / "key.pem")]
    return documents(
        namespace("shop"),
        namespace("ingress"),
        namespace("outside", inject=False),
        pod("browser", namespace="outside"),
        pod("web"),
        service("web"),
        pod("lines", ports="tcp:9000"),
        service("lines", {"name": "tcp", "port": 9000}),
        pod("inner", ports="https:8443", command=echo, annotations={"sidecar.istio.io/inject": "false"}),
        service("inner", {"name": "https", "port": 443, "targetPort": 8443}),
        *router("edge", "ingress", {"name": "http", "port": 80}, {"name": "https", "port": 443, "targetPort": 8443},
                {"name": "tcp", "port": 9000}),
    )  # fmt: skip


def site(host: str = "site.test", *gateways: str) -> Manifest:
    return virtual_service(host, {"route": [to("web")]}, gateways=list(gateways or ("front",)))


def https(*hosts: str, name: str = "https", **tls: Any) -> Manifest:
    return server(443, "HTTPS", *(hosts or ("site.test",)), name=name, tls=tls or SIMPLE)


async def call(mesh: Mesh, sni: str = "site.test", certificate: Issued | None = None, **more: Any) -> Seen:
    """What a client outside of the mesh gets over TLS."""
    asked = {
        "host": mesh.ip("ingress/edge"), "port": 8443, "sni": sni, "authority": sni, "path": "/", "bytes": "",
        "alpn": ["http/1.1"], "preface": "", "tls12": False,
        "chain": certificate.certificate_chain.decode() if certificate else "",
        "key": certificate.private_key.decode() if certificate else "",
        **more,
    }  # fmt: skip
    done = await mesh.local.exec(mesh.pod(OUTSIDE), [sys.executable, "-c", _PROGRAM], text=json.dumps(asked) + "\n")
    assert done.returncode == 0, done.stderr
    return Seen(**json.loads(done.stdout))


async def test_each_host_has_its_certificate(mesh: Mesh, issuer: Issuer) -> None:
    doors = gateway("front", https("site.test"),
                    https("*.wide.test", name="wide", mode="SIMPLE", credentialName="wide"))  # fmt: skip
    secrets = (secret("site", issued(issuer, "site.test")), secret("wide", issued(issuer, "*.wide.test")))
    await mesh.apply(documents(doors, site(), site("a.wide.test"), *secrets))
    for name, shown in {"site.test": "site.test", "a.wide.test": "*.wide.test"}.items():
        seen = await call(mesh, name)
        assert (seen.status, seen.names) == (200, shown), seen
        assert seen.echo["headers"]["x-forwarded-proto"] == "https"
    assert (await call(mesh, "other.test")).failed
    assert (await call(mesh, "site.test", authority="a.wide.test")).status == 404


async def test_http2_by_alpn(mesh: Mesh, issuer: Issuer) -> None:
    await mesh.apply(documents(gateway("front", https()), site(), secret("site", issued(issuer, "site.test"))))
    where = f"site.test:8443:{mesh.ip('ingress/edge')}"
    words = ["curl", "-sk", "--http2", "--resolve", where, "-w", "%{http_version}", "-o", "/dev/null"]
    done = await mesh.local.exec(mesh.pod(OUTSIDE), [*words, "https://site.test:8443/"])
    assert done.stdout == "2", done.stderr


async def test_a_certificate_is_rotated_while_connections_stay(mesh: Mesh, issuer: Issuer) -> None:
    doors = gateway("front", https())
    await mesh.apply(documents(doors, site(), secret("site", issued(issuer, "site.test", "first.test"))))
    assert (await call(mesh)).names == "site.test,first.test"
    before = await mesh.stats("ingress/edge", "listener_manager")
    url = f"https://{mesh.ip('ingress/edge')}:8443/"
    async with held_connection(mesh, url) as ask:
        assert await ask() == 200
        await mesh.apply(documents(doors, site(), secret("site", issued(issuer, "site.test", "second.test"))))

        async def renewed() -> bool:
            return (await call(mesh)).names == "site.test,second.test"

        await mesh.until(renewed, "the new certificate is shown")
        assert await ask() == 200
    after = await mesh.stats("ingress/edge", "listener_manager")
    changed = "listener_manager.listener_modified"
    assert after[changed] == before[changed]
    assert after["listener_manager.listener_in_place_updated"] == before["listener_manager.listener_in_place_updated"]


async def test_a_secret_that_comes_later_opens_its_hosts_and_others_never_wait(mesh: Mesh, issuer: Issuer) -> None:
    doors = gateway("front", https(), https("late.test", name="late", mode="SIMPLE", credentialName="late"))
    kept = (doors, site(), site("late.test"), secret("site", issued(issuer, "site.test")))
    await mesh.apply(documents(*kept))
    assert (await call(mesh)).status == 200
    assert (await call(mesh, "late.test")).failed

    async def said() -> bool:
        return any(problem.code == "gateway.secret-unknown" for problem in mesh.problems)

    await mesh.until(said, "the missing Secret is named")
    await mesh.apply(documents(*kept, secret("late", issued(issuer, "late.test"))))
    assert (await call(mesh, "late.test")).status == 200


async def found(mesh: Mesh, code: str) -> None:
    """Return when there is a finding of that code."""

    async def said() -> bool:
        return any(problem.code == code for problem in mesh.problems)

    await mesh.until(said, f"{code} is found")


async def test_a_deleted_secret_is_shown_while_a_gateway_names_it(mesh: Mesh, issuer: Issuer) -> None:
    doors = gateway("front", https())
    await mesh.apply(documents(doors, site(), secret("site", issued(issuer, "site.test", "first.test"))))
    assert (await call(mesh)).status == 200
    await mesh.apply(documents(doors, site()))
    assert (await call(mesh)).names == "site.test,first.test"
    await found(mesh, "gateway.secret-gone")
    await mesh.apply(documents(doors, site(), secret("site", issued(issuer, "site.test", "second.test"))))
    assert (await call(mesh)).names == "site.test,second.test"
    await mesh.apply(documents(doors, site()))
    await mesh.apply(documents(site()))
    await mesh.apply(documents(doors, site()))
    assert (await call(mesh)).failed, "nobody named it for a while, so it was forgotten"


async def test_a_key_of_another_certificate_changes_nothing(mesh: Mesh, issuer: Issuer) -> None:
    doors = gateway("front", https())
    good, other = issued(issuer, "site.test", "good.test"), issued(issuer, "site.test", "other.test")
    await mesh.apply(documents(doors, site(), secret("site", good)))
    mixed = secret("site", replace(other, private_key=good.private_key))
    await mesh.apply(documents(doors, site(), mixed))
    assert (await call(mesh)).names == "site.test,good.test"
    await found(mesh, "secret.unfit")


async def test_secrets_of_other_namespaces_are_not_the_routers(mesh: Mesh, issuer: Issuer) -> None:
    elsewhere = secret("site", issued(issuer, "site.test"), namespace="shop")
    await mesh.apply(documents(gateway("front", https()), site(), elsewhere))
    assert (await call(mesh)).failed
    assert "PRIVATE KEY" not in json.dumps(await mesh.config_dump("ingress/edge"))


@pytest.mark.parametrize("beside", [False, True], ids=["in-one-secret", "beside-it"])
async def test_mutual_tls(mesh: Mesh, issuer: Issuer, beside: bool) -> None:
    doors = gateway("front", https(mode="MUTUAL", credentialName="site"))
    served = issued(issuer, "site.test")
    secrets = (
        (secret("site", served), secret("site-cacert", authorities=issuer))
        if beside
        else (secret("site", served, issuer),)
    )
    await mesh.apply(documents(doors, site(), *secrets))
    seen = await call(mesh, certificate=client_of(issuer))
    assert seen.status == 200, seen
    assert "spiffe://example.com/ns/x/sa/y" in seen.echo["headers"]["x-forwarded-client-cert"]
    assert (await call(mesh)).failed
    assert (await call(mesh, certificate=client_of(self_signed(datetime.now(UTC))))).failed


async def test_mutual_tls_of_certain_names(mesh: Mesh, issuer: Issuer) -> None:
    tls = {"mode": "MUTUAL", "credentialName": "site", "caCertCredentialName": "clients"}
    secrets = (secret("site", issued(issuer, "site.test")), secret("clients", authorities=issuer))
    named = https(**tls, subjectAltNames=["spiffe://example.com/ns/x/sa/y"])
    await mesh.apply(documents(gateway("front", named), site(), *secrets))
    assert (await call(mesh, certificate=client_of(issuer))).status == 200
    await mesh.apply(documents(gateway("front", https(**tls, subjectAltNames=["other.test"])), site(), *secrets))
    assert (await call(mesh, certificate=client_of(issuer))).failed


async def test_optional_mutual_tls(mesh: Mesh, issuer: Issuer) -> None:
    doors = gateway("front", https(mode="OPTIONAL_MUTUAL", credentialName="site"))
    await mesh.apply(documents(doors, site(), secret("site", issued(issuer, "site.test"), issuer)))
    assert (await call(mesh)).status == 200
    assert (await call(mesh, certificate=client_of(issuer))).status == 200
    assert (await call(mesh, certificate=client_of(self_signed(datetime.now(UTC))))).failed


async def test_bounds_of_tls(mesh: Mesh, issuer: Issuer) -> None:
    kept = (site(), secret("site", issued(issuer, "site.test")))
    await mesh.apply(documents(gateway("front", https(**SIMPLE, minProtocolVersion="TLSV1_3")), *kept))
    assert (await call(mesh)).version == "TLSv1.3"
    assert (await call(mesh, tls12=True)).failed
    await mesh.apply(documents(gateway("front", https(**SIMPLE, maxProtocolVersion="TLSV1_2")), *kept))
    assert (await call(mesh)).version == "TLSv1.2"


async def test_certificates_in_files(mesh: Mesh, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.mktemp("files")
    served = issued(issuer, "site.test")
    for name, content in {
        "cert.pem": served.certificate_chain, "key.pem": served.private_key,
        "ca.pem": Authority(issuer, "example.com").roots.pem,
    }.items():  # fmt: skip
        (folder / name).write_bytes(content)
    readable(folder)
    files = {"serverCertificate": str(folder / "cert.pem"), "privateKey": str(folder / "key.pem")}
    await mesh.apply(documents(gateway("front", https(mode="SIMPLE", **files)), site()))
    assert (await call(mesh)).names == "site.test"
    mutual = https(mode="MUTUAL", **files, caCertificates=str(folder / "ca.pem"))
    await mesh.apply(documents(gateway("front", mutual), site()))
    assert (await call(mesh, certificate=client_of(issuer))).status == 200
    assert (await call(mesh)).failed


async def test_tls_is_passed_on_by_name(mesh: Mesh) -> None:
    doors = gateway("front", server(443, "TLS", "*.test", tls={"mode": "PASSTHROUGH"}))
    match = {"match": [{"sniHosts": ["inner.test"]}], "route": [{"destination": {"host": "inner"}}]}
    passed = virtual_service("inner.test", name="inner", gateways=["front"], tls=[match])
    await mesh.apply(documents(doors, passed))
    seen = await call(mesh, "inner.test")
    assert (seen.status, seen.names) == (200, "inner.test"), seen
    assert (await call(mesh, "other.test")).failed


async def test_tcp_plain_and_within_tls(mesh: Mesh, issuer: Issuer) -> None:
    doors = gateway("front", server(9000, "TCP", "*"), server(443, "TLS", "lines.test", tls=SIMPLE))
    lines = virtual_service(
        "*", name="lines", gateways=["front"], tcp=[{"route": [{"destination": {"host": "lines"}}]}]
    )
    await mesh.apply(documents(doors, lines, secret("site", issued(issuer, "lines.test"))))
    reply = (await mesh.tcp(OUTSIDE, mesh.ip("ingress/edge"), 9000, ["hello"]))[0]
    assert reply.messages[-1] == "hello", reply
    seen = await call(mesh, "lines.test", bytes="hello\n", alpn=["x"])
    assert "hello" in seen.body, seen


async def test_the_proxy_protocol_says_who_the_client_is(mesh: Mesh, issuer: Issuer) -> None:
    topology = mesh_config(defaultConfig={"gatewayTopology": {"proxyProtocol": {}}})
    kept = (gateway("front", https()), site(), secret("site", issued(issuer, "site.test")))
    await mesh.apply(documents(*kept, topology))
    header = "PROXY TCP4 203.0.113.7 10.0.0.1 4321 443\r\n"
    seen = await call(mesh, preface=header)
    assert seen.status == 200, seen
    assert seen.echo["headers"]["x-forwarded-for"] == "203.0.113.7"


def held_connection(mesh: Mesh, url: str) -> Any:
    """A connection that is kept open: calling what it gives makes a request over it and answers the status."""
    return _Held(mesh, url)


class _Held:
    """One TLS connection, held by a program in the client's pod."""

    _SOURCE = """
import http.client, ssl, sys
context = ssl._create_unverified_context()
class C(http.client.HTTPSConnection):
    def connect(self):
        http.client.HTTPConnection.connect(self)
        self.sock = context.wrap_socket(self.sock, server_hostname="site.test")
c = C(sys.argv[1], int(sys.argv[2]), timeout=10)
c.connect(); first = c.sock
for _ in sys.stdin:
    c.request("GET", "/", headers={"host": "site.test"})
    r = c.getresponse(); r.read()
    print(r.status if c.sock is first else -1, flush=True)
"""

    def __init__(self, mesh: Mesh, url: str) -> None:
        self._mesh = mesh
        host, port = url.removeprefix("https://").rstrip("/").split(":")
        self._words = [sys.executable, "-c", self._SOURCE, host, port]

    async def __aenter__(self) -> Any:
        import asyncio

        pod = self._mesh.local._pods[self._mesh.pod(OUTSIDE)]
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *pod.command(self._words), env=dict(pod.env), stdin=pipe, stdout=pipe
        )

        async def ask() -> int:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(b"\n")
            return int((await asyncio.wait_for(self._process.stdout.readline(), 10)) or b"0")

        return ask

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
