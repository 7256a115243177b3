"""Other meshes' identities: believed by roots of their own, never taken for ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ca.authority import Authority
from ca.issuer import Issuer, self_signed
from tests.envoy.manifests import documents, mesh_config, namespace, pod, security, service
from xds.testing.mesh import Mesh

PARTNER = "partner.example"
ASK = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.load_cert_chain(sys.argv[3])
context.set_alpn_protocols(["istio"])
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as plain, context.wrap_socket(plain) as tls:
    tls.sendall(b"GET / HTTP/1.1\\r\\nhost: web\\r\\nconnection: close\\r\\n\\r\\n")
    print(tls.recv(65536).decode())
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
    for each in (folder, *(parent for parent in folder.parents if str(parent).startswith("/tmp/"))):
        each.chmod(0o755)
    command = ("python3", "-c", ASK, mesh.ip("web"), "8080", str(pair))
    return (await mesh.local.exec(mesh.pod("stranger"), command)).stdout


async def test_a_federated_identity_is_let_in(mesh: Mesh, partner: Issuer, tmp_path: Path) -> None:
    answer = await ask(mesh, partner, PARTNER, tmp_path)
    assert "200 OK" in answer
    assert f"URI=spiffe://{PARTNER}/ns/shop/sa/web" in answer


async def test_its_roots_make_no_identity_of_ours(mesh: Mesh, partner: Issuer, tmp_path: Path) -> None:
    assert "200 OK" not in await ask(mesh, partner, "cluster.local", tmp_path)


async def test_our_own_callers_go_on(mesh: Mesh) -> None:
    await mesh.apply(documents(pod("client")))
    assert (await mesh.get("client", "http://web.shop/")).status == 200
