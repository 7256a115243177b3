"""Who is not whom it says it is: refused by the control plane and by workloads, given nothing, and told of by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from ca.authority import Issued
from ca.directory_store import DirectoryStore
from ca.issuer import Issuer, self_signed
from ca.state import CaState
from tests.envoy.conftest import Launch
from tests.envoy.control_planes import HOUR, NODE, Client, Serving, aged_issuer, issued, serving
from tests.envoy.loopback import until
from tests.envoy.manifests import documents, namespace, pod, security, service
from tests.envoy.tls_client import Seen, call
from xds.audit.record import Wanted
from xds.audit.refusal import Kind, Refusal, Stage
from xds.bootstrap.credentials import Tls, WatchedToken
from xds.bootstrap.envoy import ControlPlane, OwnPorts, bootstrap
from xds.callers.join_tokens import JoinTokens
from xds.events import Event
from xds.local.settings import LocalSettings
from xds.testing.mesh import Mesh, running_mesh

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

Code = grpc.StatusCode
FOREIGN = self_signed(datetime.now(UTC) - HOUR)
LATE = HOUR * 3


def roots(issuer: Issuer) -> bytes:
    return issuer.root.public_bytes(Encoding.PEM)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def control_plane(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    async with serving(tmp_path_factory.mktemp("control-plane"), issuer=aged_issuer()) as running:
        yield running


@dataclass(frozen=True)
class Intruder:
    """What one who claims to be shop/web-0 of account web presents, and why that is not enough."""

    name: str
    code: Code
    why: str
    token: Callable[[Serving], str] = lambda _: ""
    certificate: Callable[[Serving], Issued | None] = lambda _: None
    mutual: bool = False


def by_token(name: str, why: str, token: Callable[[Serving], str], code: Code = Code.UNAUTHENTICATED) -> Intruder:
    return Intruder(name, code, why, token=token)


def by_certificate(name: str, why: str, certificate: Callable[[Serving], Issued | None], code: Code) -> Intruder:
    return Intruder(name, code, why, certificate=certificate, mutual=True)


HANDSHAKE = ""  # TLS refuses it before there is a stream
INTRUDERS = (
    by_token("nothing", "nothing proves who this is", lambda _: ""),
    by_token(
        "the token of another namespace",
        "its namespace is 'shop', and proves that it is 'bank'",
        lambda at: at.token("bank", "vault", "vault-0"),
        Code.PERMISSION_DENIED,
    ),
    by_token(
        "the token of another account",
        "its service account is 'web', and proves that it is 'shopper'",
        lambda at: at.token("shop", "shopper", "web-0"),
        Code.PERMISSION_DENIED,
    ),
    by_token(
        "the token of another pod",
        "its name is 'web-0', and proves that it is 'web-1'",
        lambda at: at.token(pod="web-1"),
        Code.PERMISSION_DENIED,
    ),
    by_token("an expired token", "has expired", lambda at: at.token(now=datetime.now(UTC) - LATE)),
    by_token(
        "the token of a foreign issuer",
        "a key that https://plait.local does not have",
        lambda _: JoinTokens().issue("shop", "web", "web-0", now=datetime.now(UTC)),
    ),
    by_certificate("no certificate", HANDSHAKE, lambda _: None, Code.UNAVAILABLE),
    by_certificate("of a foreign root", HANDSHAKE, lambda _: issued(FOREIGN), Code.UNAVAILABLE),
    by_certificate("expired", HANDSHAKE, lambda at: issued(at.issuer, ago=LATE), Code.UNAVAILABLE),
    by_certificate(
        "of another trust domain",
        "is of trust domain other.example, which is not the mesh's",
        lambda at: at.certificate(trust_domain="other.example"),
        Code.UNAUTHENTICATED,
    ),
    by_certificate(
        "of another account",
        "its service account is 'web', and proves that it is 'shopper'",
        lambda at: at.certificate("shopper"),
        Code.PERMISSION_DENIED,
    ),
)


@pytest.mark.parametrize("intruder", INTRUDERS, ids=lambda intruder: intruder.name)
async def test_the_control_plane_serves_it_nothing(control_plane: Serving, intruder: Intruder) -> None:
    token = intruder.token(control_plane)
    client = Client(roots(control_plane.issuer), token, intruder.certificate(control_plane))
    with capture_logs() as log:
        answer = await client.clusters(control_plane.mtls_port if intruder.mutual else control_plane.port)
    assert (answer.code, list(answer.names)) == (intruder.code, [])
    assert intruder.why in answer.text
    refusals = [entry for entry in log if entry["event"] == Event.STREAM_REFUSED]
    if intruder.why == HANDSHAKE:
        assert not refusals  # gRPC tells nobody
        return
    (refusal,) = refusals
    assert refusal["peer"].startswith("ipv4:127.0.0.1:")
    assert intruder.why in refusal["reason"]
    assert refusal["status"] == intruder.code.name
    assert not token or not any(part in str(log) for part in token.split("."))


async def test_who_is_whom_it_says_is_served(control_plane: Serving) -> None:
    both = Client(roots(control_plane.issuer), control_plane.token(), control_plane.certificate())
    for port in (control_plane.port, control_plane.mtls_port):
        assert (await both.clusters(port)).names


@pytest.mark.asyncio(loop_scope="function")
async def test_a_sidecar_with_a_stolen_token_is_given_nothing(tmp_path: Path, launch_envoy: Launch) -> None:
    async with serving(tmp_path) as running:
        stolen = running.token("bank", "vault", "vault-0")
        ca, token = tmp_path / "ca.pem", WatchedToken(tmp_path / "token", tmp_path / "sds.json")
        ca.write_bytes(roots(running.issuer))
        token.file.write_text(stolen)
        token.sds_file.write_text(token.sds)
        plane = ControlPlane(f"127.0.0.1:{running.port}", Tls("localhost", ca), token)
        envoy = await launch_envoy(bootstrap(NODE, plane, OwnPorts(admin=0, health=0, metrics=0)))

        async def refused() -> bool:
            return "proves that it is 'bank'" in envoy.output()

        await until(refused, "a refusal, in Envoy's own log")
        assert "outbound|" not in await envoy.ask("/clusters")
        assert stolen not in envoy.output()


# -- at a workload


MANIFESTS = documents(
    namespace("shop"),
    namespace("outside", inject=False),
    pod("web-v1", account="web"),
    pod("intruder", namespace="outside"),
    service("web"),
    security("PeerAuthentication", "default", mtls={"mode": "STRICT"}),
)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Issuer]:
    """A folder with a CA whose root is old enough for certificates that have expired."""
    folder, made = tmp_path_factory.mktemp("ca") / "ca", aged_issuer()
    DirectoryStore(folder).save(CaState(made, datetime.now(UTC)))
    return folder, made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(issuer: tuple[Path, Issuer], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    settings = LocalSettings(ca_dir=issuer[0])
    async with running_mesh(MANIFESTS, tmp_path_factory.mktemp("mesh"), settings=settings) as mesh:
        yield mesh


async def told(mesh: Mesh, kind: Kind, since: int) -> Refusal:
    """The first refusal of that kind after the one with that number."""
    record = mesh.up.control_plane.audit.record

    async def found() -> bool:
        return bool(record.latest(Wanted(kind=kind, after=since)))

    await mesh.until(found, f"a refusal is told: {kind}", timedelta(seconds=15))
    return next(iter(record.latest(Wanted(kind=kind, after=since)))).refusal


async def knock(mesh: Mesh, certificate: Issued | None) -> Seen:
    """What an intruder in a pod outside of the mesh sees of the application."""
    return await call(mesh.local, mesh.pod("intruder"), (mesh.ip("web-v1"), 8080), certificate)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda _: None, "the caller shows no certificate"),
        (lambda _: issued(FOREIGN, "shopper"), "the caller's certificate is of an authority that is not the mesh's"),
        (lambda own: issued(own, "shopper", ago=LATE), "the caller's certificate has expired"),
        (lambda own: issued(own, "shopper", "other.example"), "the caller's certificate is of another trust domain"),
    ],
    ids=["none", "foreign root", "expired", "another trust domain"],
)
@pytest.mark.netns
async def test_a_workload_lets_none_in(strict: Mesh, issuer: tuple[Path, Issuer], made: Any, why: str) -> None:
    before = strict.up.control_plane.audit.record.number
    seen = await knock(strict, made(issuer[1]))
    assert seen.status == 0, seen
    assert seen.failed
    refusal = await told(strict, Kind.HANDSHAKE, before)
    assert (refusal.stage, refusal.why) == (Stage.MTLS, why)
    assert (refusal.source.label, refusal.destination.label) == ("outside/intruder", "shop/web-v1")


@pytest.mark.netns
async def test_a_stolen_certificate_gets_what_its_account_may(strict: Mesh, issuer: tuple[Path, Issuer]) -> None:
    shopper, thief = issued(issuer[1], "shopper"), issued(issuer[1], "thief")
    allow = [{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/shopper"]}}]}]
    async with strict.one_test():
        assert (await knock(strict, thief)).status == 200
        await strict.apply(documents(security("AuthorizationPolicy", "shoppers", action="ALLOW", rules=allow)))
        before = strict.up.control_plane.audit.record.number
        assert (await knock(strict, shopper)).status == 200
        assert (await knock(strict, thief)).status == 403
        refusal = await told(strict, Kind.REFUSED, before)
        assert (refusal.stage, refusal.status) == (Stage.ALLOW, 403)
        assert refusal.source.principal == "spiffe://cluster.local/ns/shop/sa/thief"
        assert refusal.policies[0].object.name == "shoppers"
