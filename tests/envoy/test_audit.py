"""Refusals in real sidecars, as they arrive at the control plane: who, what, by which policy, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from datetime import UTC, datetime, timedelta

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.envoy.manifests import documents, namespace, pod, security, service
from xds.api.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from xds.api.envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest
from xds.audit.record import Wanted
from xds.audit.refusal import Kind, Refusal, Stage
from xds.local import state
from xds.server.access_logs import METHOD, SERVICE
from xds.testing.mesh import Mesh
from xds.translators.request_authentication.envoy import NOBODY
from xds.wire.type_urls import CLUSTER

KEY = {**NOBODY, "kid": "ours"}
pytestmark = [pytest.mark.envoy, pytest.mark.netns]


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    tcp = {"name": "tcp", "port": 9000}
    return documents(
        namespace("shop"),
        namespace("plain", inject=False),
        pod("client", account="client"),
        pod("web-v1", account="web", ports="http:8080 tcp:9000"),
        service("web", {"name": "http", "port": 80, "targetPort": 8080}, tcp),
        pod("outsider", namespace="plain"),
    )


def policy(name: str, action: str, path: str, **annotations: str) -> str:
    made = security("AuthorizationPolicy", name, action=action, rules=[{"to": [{"operation": {"paths": [path]}}]}])
    made["metadata"]["annotations"] = annotations
    return documents(made)


async def told(mesh: Mesh, kind: Kind, since: int, count: int = 1) -> list[Refusal]:
    """The refusals of that kind after the one with that number, when there are so many."""
    record = mesh.up.control_plane.audit.record

    def found() -> list[Refusal]:
        return [each.refusal for each in record.latest(Wanted(kind=kind, after=since))]

    async def enough() -> bool:
        return len(found()) >= count

    await mesh.until(enough, f"{count} refusals are told: {kind}")
    return found()


@pytest.fixture
def before(mesh: Mesh) -> int:
    """The number of the last refusal before the test."""
    return mesh.up.control_plane.audit.record.number


async def test_a_denied_request_is_told_with_the_policy_and_its_line(mesh: Mesh, before: int) -> None:
    await mesh.apply("# a comment\n" + policy("no-admin", "DENY", "/admin*"), "deny.yaml")
    asked = datetime.now(UTC)
    assert (await mesh.get("client", "http://web/admin/x?token=secret")).status == 403
    [refusal] = await told(mesh, Kind.REFUSED, before)
    assert (refusal.stage, refusal.status, refusal.method, refusal.path) == (Stage.DENY, 403, "GET", "/admin/x")
    assert (refusal.host, refusal.port, refusal.protocol) == ("web", 8080, "HTTP/1.1")
    assert refusal.source.label == "shop/client"
    assert (refusal.source.principal, refusal.source.proven) == ("spiffe://cluster.local/ns/shop/sa/client", True)
    assert (refusal.destination.label, refusal.destination.pod) == ("shop/web-v1", "web-v1")
    [blame] = refusal.policies
    assert (str(blame.object), blame.rule) == ("AuthorizationPolicy shop/no-admin", 0)
    assert blame.origin.endswith("deny.yaml:2")
    assert abs((refusal.when - asked).total_seconds()) < 5


async def test_what_is_allowed_sends_nothing(mesh: Mesh, before: int) -> None:
    answers = await mesh.requests("client", "http://web/", 50)
    assert {answer.status for answer in answers} == {200}
    assert (await mesh.get("outsider", f"http://{mesh.ip('web-v1')}:8080/")).status == 200
    assert [reply.error for reply in await mesh.tcp("client", "web", 9000, ["hello"])] == [""]
    written = await mesh.stats("web-v1", r"^access_logs\.grpc_access_log\.logs_written$")
    # A refusal that comes after them is the first that is sent.
    await mesh.apply(policy("no-admin", "DENY", "/admin*"))
    await mesh.get("client", "http://web/admin")
    await told(mesh, Kind.REFUSED, before)
    assert mesh.up.control_plane.audit.record.number == before + 1
    after = await mesh.stats("web-v1", r"^access_logs\.grpc_access_log\.logs_written$")
    assert sum(after.values()) - sum(written.values()) == 1


async def test_no_policy_that_allows(mesh: Mesh, before: int) -> None:
    await mesh.apply(policy("only-a", "ALLOW", "/a"))
    assert (await mesh.get("client", "http://web/b")).status == 403
    [refusal] = await told(mesh, Kind.REFUSED, before)
    assert refusal.stage is Stage.ALLOW
    assert [(blame.object.name, blame.rule) for blame in refusal.policies] == [("only-a", None)]


async def test_what_a_dry_run_would_refuse(mesh: Mesh, before: int) -> None:
    trial = {"istio.io/dry-run": "true"}
    await mesh.apply(policy("no-x", "DENY", "/x", **trial) + "\n---\n" + policy("only-y", "ALLOW", "/y", **trial))
    assert (await mesh.get("client", "http://web/x")).status == 200
    found = await told(mesh, Kind.WOULD_REFUSE, before, 2)
    assert {(each.stage, each.policies[0].object.name) for each in found} == {
        (Stage.DENY, "no-x"),
        (Stage.ALLOW, "only-y"),
    }


async def test_what_is_audited(mesh: Mesh, before: int) -> None:
    await mesh.apply(policy("watch", "AUDIT", "/w") + "\n---\n" + policy("all", "ALLOW", "*"))
    assert (await mesh.get("client", "http://web/w")).status == 200
    [refusal] = await told(mesh, Kind.AUDITED, before)
    assert (refusal.policies[0].object.name, refusal.status) == ("watch", 200)


async def test_a_refused_connection(mesh: Mesh, before: int) -> None:
    rules = [{"to": [{"operation": {"ports": ["9000"]}}]}]
    await mesh.apply(documents(security("AuthorizationPolicy", "no-tcp", action="DENY", rules=rules)))
    await mesh.tcp("client", "web", 9000, ["hello"])
    [refusal] = await told(mesh, Kind.REFUSED, before)
    assert (refusal.stage, refusal.protocol, refusal.port, refusal.answer) == (Stage.DENY, "TCP", 9000, "closed")
    assert refusal.source.principal == "spiffe://cluster.local/ns/shop/sa/client"
    assert refusal.policies[0].object.name == "no-tcp"


async def test_an_audited_connection(mesh: Mesh, before: int) -> None:
    rules = [{"to": [{"operation": {"ports": ["9000"]}}]}]
    await mesh.apply(documents(security("AuthorizationPolicy", "watch-tcp", action="AUDIT", rules=rules)))
    assert [reply.error for reply in await mesh.tcp("client", "web", 9000, ["hello"])] == [""]
    [refusal] = await told(mesh, Kind.AUDITED, before)
    assert (refusal.policies[0].object.name, refusal.protocol) == ("watch-tcp", "TCP")


async def test_a_token_that_is_not_accepted(mesh: Mesh, before: int) -> None:
    jwt_rules = [{"issuer": "issuer.example", "jwks": json.dumps({"keys": [KEY]})}]
    await mesh.apply(documents(security("RequestAuthentication", "jwt", jwtRules=jwt_rules)), "jwt.yaml")
    answer = await mesh.get("client", "http://web/", headers={"authorization": "Bearer a.b.c"})
    assert answer.status == 401
    [refusal] = await told(mesh, Kind.REFUSED, before)
    assert (refusal.stage, refusal.status) == (Stage.TOKEN, 401)
    assert [blame.origin.rpartition("/")[2] for blame in refusal.policies] == ["jwt.yaml:1"]


async def test_a_caller_without_a_certificate(mesh: Mesh, before: int) -> None:
    await mesh.apply(documents(security("PeerAuthentication", "default", mtls={"mode": "STRICT"})), "strict.yaml")
    assert (await mesh.get("outsider", f"http://{mesh.ip('web-v1')}:8080/")).status == 0
    [refusal] = await told(mesh, Kind.HANDSHAKE, before)
    assert (refusal.stage, refusal.why) == (
        Stage.MTLS,
        "the caller speaks plaintext HTTP, and mutual TLS is required",
    )
    assert (refusal.source.label, refusal.source.principal, refusal.port) == ("plain/outsider", "", 8080)
    assert refusal.policies[0].origin.endswith("strict.yaml:1")


async def test_who_follows_is_told_at_once(mesh: Mesh) -> None:
    await mesh.apply(policy("no-admin", "DENY", "/admin*"), "deny.yaml")
    [ours] = [each for each in state.running(state.state_folder()) if each.pid == os.getpid()]
    plait = (sys.executable, "-c", "from xds.cli import main; main()")
    process = await asyncio.create_subprocess_exec(
        *plait, "audit", "-f", "--to", "shop/web-v1", "--last", "1", "--mesh", ours.name, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert (await mesh.get("client", "http://web/admin/followed")).status == 403
        async with asyncio.timeout(30):
            while b"GET web/admin/followed" not in (line := await process.stdout.readline()):
                assert line
        assert b"403  a DENY policy matches: AuthorizationPolicy shop/no-admin rules[0] at" in line
        assert b"deny.yaml:1" in line
    finally:
        process.kill()
        await process.wait()


# -- intruders: TLS from a pod without a sidecar

TALK = """
import socket, ssl, sys, tempfile
host, alpn, pem = sys.argv[1], sys.argv[2].split(), sys.stdin.read()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
if alpn:
    context.set_alpn_protocols(alpn)
if pem:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
try:
    with context.wrap_socket(socket.create_connection((host, 8080), 5)) as connection:
        connection.sendall(b"GET / HTTP/1.1\\r\\nhost: web\\r\\n\\r\\n")
        print(connection.recv(100))
except OSError as error:
    print("refused:", error)
"""
MESH_ALPN = "istio-http/1.1"
CLIENT = "spiffe://cluster.local/ns/shop/sa/client"


def self_made(spiffe_id: str) -> str:
    """A certificate of nobody's authority, with its key; PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)]), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return (made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form)).decode()


async def talk(mesh: Mesh, alpn: str, pem: str = "") -> str:
    command = (sys.executable, "-c", TALK, mesh.ip("web-v1"), alpn)
    return (await mesh.local.exec(mesh.pod("outsider"), command, text=pem)).stdout


async def test_an_intruder_without_a_certificate(mesh: Mesh, before: int) -> None:
    await talk(mesh, MESH_ALPN)
    [refusal] = await told(mesh, Kind.HANDSHAKE, before)
    assert (refusal.why, refusal.source.label) == ("the caller shows no certificate", "plain/outsider")


async def test_an_intruder_with_a_certificate_of_its_own(mesh: Mesh, before: int) -> None:
    await talk(mesh, MESH_ALPN, self_made(CLIENT))
    [refusal] = await told(mesh, Kind.HANDSHAKE, before)
    assert refusal.why == "the caller's certificate is of an authority that is not the mesh's"
    # What it claims is told, and not believed.
    assert (refusal.source.principal, refusal.source.proven) == (CLIENT, False)
    assert refusal.source.label == "plain/outsider"


async def test_tls_that_is_not_the_meshs(mesh: Mesh, before: int) -> None:
    await talk(mesh, "http/1.1", self_made(CLIENT))
    [refusal] = await told(mesh, Kind.REFUSED, before)
    assert (refusal.stage, refusal.source.label, refusal.port) == (Stage.MTLS, "plain/outsider", 8080)


# -- intruders: another's token

TAKEN = "sidecar~10.0.0.1~web-0.bank~bank.svc.cluster.local"
ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"


async def status_of(mesh: Mesh, method: str, message: bytes) -> grpc.StatusCode:
    """What the control plane answers to who has the token of ``shop/client``."""
    socket = mesh.local.socket_path("xds")
    token = await asyncio.to_thread((socket.parent / "pods/shop.client/token/token").read_text)
    async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        stub: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method)
        call = stub(metadata=(("authorization", f"Bearer {token}"),))
        await call.write(message)
        with contextlib.suppress(grpc.aio.AioRpcError):
            await call.read()
        return await call.code()


async def test_a_stolen_token_of_another_namespace(mesh: Mesh, before: int) -> None:
    request = DeltaDiscoveryRequest(node={"id": TAKEN}, type_url=CLUSTER)
    assert await status_of(mesh, ADS, request.SerializeToString()) is grpc.StatusCode.PERMISSION_DENIED
    [refusal] = await told(mesh, Kind.REFUSED, before)
    assert (refusal.stage, refusal.destination.label) == (Stage.XDS, "control plane")
    assert (refusal.source.principal, refusal.source.proven) == (TAKEN, False)
    assert "'bank'" in refusal.why
    assert "'shop'" in refusal.why


async def test_refusals_are_not_taken_from_who_is_another(mesh: Mesh, before: int) -> None:
    message = StreamAccessLogsMessage()
    message.identifier.node.id = TAKEN
    message.http_logs.log_entry.add().response.response_code_details = "rbac_access_denied_matched_policy[none]"
    method = f"/{SERVICE}/{METHOD}"
    assert await status_of(mesh, method, message.SerializeToString()) is grpc.StatusCode.PERMISSION_DENIED
    assert [each.stage for each in await told(mesh, Kind.REFUSED, before)] == [Stage.XDS]
