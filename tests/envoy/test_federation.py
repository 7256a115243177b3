"""Other meshes' identities: believed by roots of their own, never taken for ours."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from ca.authority import Authority
from ca.issuer import Issuer, self_signed
from ca.keys import KeyKind, generate, to_pem
from tests.envoy.manifests import destination_rule, documents, mesh_config, namespace, pod, security, service
from tests.envoy.readable import readable
from xds.testing.mesh import Mesh

PARTNER = "partner.example"
ASK = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.load_cert_chain(sys.argv[3])
context.set_alpn_protocols(["istio"])
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as plain, context.wrap_socket(plain) as tls:
    tls.sendall(b"GET / HTTP/1.1\\r\\nhost: web\\r\\nconnection: close\\r\\n\\r\\n")
    print(b"".join(iter(lambda: tls.recv(65536), b"")).decode())
"""


@pytest.fixture(scope="module")
def partner() -> Issuer:
    return self_signed(datetime.now(UTC))


@pytest.fixture(scope="module")
def mesh_manifests(partner: Issuer) -> str:
    roots = Authority(partner, PARTNER).roots.pem.decode()
    return documents(
        namespace("shop"),
        namespace("outside", inject=False),
        pod("web"),
        pod("stranger", namespace="outside"),
        service("web"),
        mesh_config(caCertificates=[{"pem": roots, "trustDomains": [PARTNER]}]),
        security("PeerAuthentication", "default", mtls={"mode": "STRICT"}),
    )


async def ask(mesh: Mesh, issuer: Issuer, trust_domain: str, folder: Path) -> str:
    """What a caller outside is told that shows a certificate of ``issuer`` with an id of ``trust_domain``."""
    identity = f"spiffe://{trust_domain}/ns/shop/sa/web"
    issued = Authority(issuer, trust_domain).issue(identity, timedelta(hours=1), datetime.now(UTC))
    pair = folder / f"{trust_domain}.pem"
    pair.write_bytes(issued.certificate_chain + issued.private_key)
    readable(folder)
    command = ("python3", "-c", ASK, mesh.ip("web"), "8080", str(pair))
    return (await mesh.local.exec(mesh.pod("stranger"), command)).stdout


async def test_a_federated_identity_is_let_in(mesh: Mesh, partner: Issuer, tmp_path: Path) -> None:
    answer = await ask(mesh, partner, PARTNER, tmp_path)
    assert "200 OK" in answer
    assert f"URI=spiffe://{PARTNER}/ns/shop/sa/web" in answer


async def test_its_roots_make_no_identity_of_ours(mesh: Mesh, partner: Issuer, tmp_path: Path) -> None:
    assert "200 OK" not in await ask(mesh, partner, "cluster.local", tmp_path)


async def ask_as(mesh: Mesh, issuer: Issuer, identities: Sequence[str], folder: Path) -> str:
    """What a caller outside is told that shows a certificate of ``issuer`` with these ids."""
    pair = folder / "ids.pem"
    pair.write_bytes(certificate(issuer, identities))
    readable(folder)
    command = ("python3", "-c", ASK, mesh.ip("web"), "8080", str(pair))
    return (await mesh.local.exec(mesh.pod("stranger"), command)).stdout


def certificate(issuer: Issuer, identities: Sequence[str]) -> bytes:
    """A certificate and its key, as whoever owns a CA can make them: with any names, and as many as it likes."""
    key, now = generate(KeyKind.P256), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.KeyUsage(True, *[False] * 8), True)
        .add_extension(x509.SubjectAlternativeName(list(map(x509.UniformResourceIdentifier, identities))), True)
        .sign(issuer.key, SHA256())
    )
    return made.public_bytes(Encoding.PEM) + to_pem(key)


OWN = "spiffe://cluster.local/ns/shop/sa/web"
FOREIGN = f"spiffe://{PARTNER}/ns/shop/sa/web"
ASKED = {
    "principals": ["cluster.local/ns/shop/sa/web"],
    "namespaces": ["shop"],
    "serviceAccounts": ["shop/web"],
    "anywhere": ["*/ns/shop/sa/web"],
}


@pytest.mark.parametrize("field", ASKED)
async def test_it_is_never_taken_for_one_of_ours(mesh: Mesh, partner: Issuer, tmp_path: Path, field: str) -> None:
    source = {"principals" if field == "anywhere" else field: ASKED[field]}
    await mesh.apply(documents(security("AuthorizationPolicy", "only-ours", rules=[{"from": [{"source": source}]}])))
    try:
        for identities in ([FOREIGN], [FOREIGN, OWN], [OWN, FOREIGN]):
            answer = await ask_as(mesh, partner, identities, tmp_path)
            assert answer.startswith("HTTP/1.1 403") or (identities[0] == OWN and not answer), identities
    finally:
        await mesh.delete()


SERVE = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
with socket.create_server(("", 8443)) as server:
    print("listening", flush=True)
    while True:
        plain, _ = server.accept()
        try:
            with context.wrap_socket(plain, server_side=True) as tls:
                tls.recv(65536)
                tls.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\nconnection: close\\r\\n\\r\\n")
        except OSError:
            pass
"""


LOOK = """
import socket
socket.create_connection(("127.0.0.1", 8443), 5).close()
"""


async def listens(mesh: Mesh) -> bool:
    return (await mesh.local.exec(mesh.pod("stranger"), ("python3", "-c", LOOK))).returncode == 0


@pytest.mark.parametrize("expected, status", [(OWN, 503), (FOREIGN, 200)])
async def test_a_server_of_its_is_believed_where_one_of_its_is_expected(
    mesh: Mesh, partner: Issuer, tmp_path: Path, expected: str, status: int
) -> None:
    pair = tmp_path / "server.pem"
    pair.write_bytes(certificate(partner, [FOREIGN, OWN]))
    readable(tmp_path)
    serving = asyncio.create_task(mesh.local.exec(mesh.pod("stranger"), ("python3", "-c", SERVE, str(pair))))
    try:
        await mesh.until(lambda: listens(mesh), "the server listens")
        tls = {"mode": "ISTIO_MUTUAL", "subjectAltNames": [expected]}
        rule = destination_rule("impostor.outside.svc.cluster.local", namespace="outside", trafficPolicy={"tls": tls})
        selected = {"selector": {"app": "stranger"}}
        port = {"name": "http", "port": 80, "targetPort": 8443}
        await mesh.apply(documents(service("impostor", port, namespace="outside", **selected), rule))
        assert (await mesh.get("web", "http://impostor.outside/")).status == status
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await mesh.delete()


async def test_our_own_callers_go_on(mesh: Mesh) -> None:
    await mesh.apply(documents(pod("client")))
    assert (await mesh.get("client", "http://web.shop/")).status == 200
