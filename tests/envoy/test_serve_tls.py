"""A control plane over TLS: its own certificate, tokens, certificates of clients, and certificates for who asks."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ca import keys, messages
from ca.authority import Issued
from ca.directory_store import DirectoryStore
from ca.issuer import Issuer, self_signed
from ca.rotation import start
from ca.state import CaState, Phase
from tests.envoy.conftest import Launch
from tests.envoy.control_planes import NODE, Client, csr, jwks, new_key, serving
from tests.envoy.loopback import LoopbackEnvoy, until
from tests.envoy.manifests import documents, mesh_config
from xds.bootstrap.credentials import Tls, WatchedToken
from xds.bootstrap.envoy import ControlPlane, OwnPorts, bootstrap
from xds.callers.join_tokens import JoinTokens

pytestmark = pytest.mark.envoy

REQUEST = f"/{messages.SERVICE}/{messages.METHOD}"
CLUSTER = "outbound|80||web.shop.svc.cluster.local"


def shown(port: int) -> x509.Certificate:
    """The certificate that who connects is shown."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode())


def plug(folder: Path, issuer: Issuer) -> None:
    """Put a CA's files there, as istio names them."""
    folder.mkdir(exist_ok=True)
    files = {
        "ca-cert.pem": issuer.certificate.public_bytes(Encoding.PEM),
        "ca-key.pem": keys.to_pem(issuer.key),
        "root-cert.pem": issuer.root.public_bytes(Encoding.PEM),
        "cert-chain.pem": issuer.intermediates_pem,
    }
    for name, content in files.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_bytes(content)


async def asked(client: Client, port: int, **request: Any) -> tuple[Issued, list[str]]:
    """The certificate that istio's agent gets for a key of its own, and the answer as it came."""
    key = new_key()
    asks = messages.CertificateRequest(csr(key), **request)
    async with client.channel(port) as channel:
        call: Any = channel.unary_unary(REQUEST)
        answer = await call(messages.encode_request(asks), metadata=client.metadata, timeout=20)
    chain = messages.decode_response(answer)
    leaf = x509.load_pem_x509_certificate(chain[0].encode())
    pem = "".join(chain[:-1]).encode()
    times = (leaf.not_valid_before_utc, leaf.not_valid_before_utc, leaf.not_valid_after_utc)
    return Issued(pem, *times, leaf.serial_number, "", private_key=keys.to_pem(key)), chain


def put(folder: Path, **files: bytes) -> dict[str, Path]:
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, content in files.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_bytes(content)
    return {name: folder / name for name in files}


async def sidecar(launch_envoy: Launch, port: int, tls: Tls, token: WatchedToken | None = None) -> LoopbackEnvoy:
    plane = ControlPlane(f"127.0.0.1:{port}", tls, token)
    return await launch_envoy(bootstrap(NODE, plane, OwnPorts(admin=0, health=0, metrics=0)))


async def configured(envoy: LoopbackEnvoy) -> bool:
    return CLUSTER in await envoy.ask("/clusters")


async def test_a_sidecar_with_a_token(tmp_path: Path, launch_envoy: Launch) -> None:
    async with serving(tmp_path) as running:
        files = put(
            tmp_path / "files", ca=running.issuer.root.public_bytes(Encoding.PEM), token=running.token().encode()
        )
        watched = WatchedToken(files["token"], tmp_path / "files" / "sds.json")
        watched.sds_file.write_text(watched.sds)
        tls = Tls("istiod.istio-system.svc", files["ca"])
        envoy = await sidecar(launch_envoy, running.port, tls, watched)
        await until(lambda: configured(envoy), "its configuration")


async def test_a_certificate_for_who_keeps_its_key(tmp_path: Path, launch_envoy: Launch) -> None:
    async with serving(tmp_path) as running:
        roots = running.issuer.root.public_bytes(Encoding.PEM)
        client = Client(roots, running.token())
        certificate, chain = await asked(client, running.port, validity_duration=3600)
        assert chain[-1].encode() == roots
        leaf = x509.load_pem_x509_certificate(chain[0].encode())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [name.value for name in names] == ["spiffe://cluster.local/ns/shop/sa/web"]
        assert leaf.not_valid_after_utc <= datetime.now(UTC) + timedelta(hours=1)
        held = put(
            tmp_path / "held", ca=chain[-1].encode(), cert=certificate.certificate_chain, key=certificate.private_key
        )
        tls = Tls("istiod.istio-system.svc", held["ca"], held["cert"], held["key"])
        envoy = await sidecar(launch_envoy, running.mtls_port, tls)
        await until(lambda: configured(envoy), "its configuration")
        renewed, _ = await asked(Client(roots, certificate=certificate), running.mtls_port, validity_duration=10**9)
        assert renewed.not_after <= datetime.now(UTC) + timedelta(hours=24)


@pytest.mark.parametrize("credential", ["none", "foreign"])
async def test_no_certificate_for_who_proves_nothing(tmp_path: Path, credential: str) -> None:
    async with serving(tmp_path) as running:
        token = JoinTokens().issue("shop", "web", "web-0", now=datetime.now(UTC)) if credential == "foreign" else ""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asked(Client(running.issuer.root.public_bytes(Encoding.PEM), token), running.port)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert ("does not have" if token else "nothing proves") in (caught.value.details() or "")


async def test_a_rotation_waits_for_certificates_that_were_asked_for(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        old = running.issuer.root.public_bytes(Encoding.PEM)
        await asked(Client(old, running.token()), running.port)
        rotate(tmp_path / "ca", self_signed(datetime.now(UTC)))

        async def held() -> bool:
            report = running.control_plane.convergence.ca()
            return bool(report and any("shop/web-0 (certificate request)" in why for why in report.blocked_by))

        await until(held, "the rotation is held up")
        assert state(tmp_path / "ca").phase is Phase.DISTRIBUTING
        _, chain = await asked(Client(old, running.token()), running.port)
        both = chain[-1].encode()
        assert both.count(b"BEGIN") == 2
        await until(lambda: phase(tmp_path / "ca", Phase.SIGNING), "the new root signs")
        await asked(Client(both, running.token()), running.port)
        await until(lambda: phase(tmp_path / "ca", Phase.STABLE), "the old root is dropped")


async def test_the_control_planes_certificate_follows_the_root(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        before, old = shown(running.port), running.issuer
        assert shown(running.port) == before
        mine = running.certificate()
        rotate(tmp_path / "ca", self_signed(datetime.now(UTC)))
        await until(lambda: phase(tmp_path / "ca", Phase.STABLE), "the old root is dropped")

        async def renewed() -> bool:
            return shown(running.port).issuer == running.issuer.certificate.subject != old.certificate.subject

        await until(renewed, "a certificate by the new root")
        roots = running.issuer.root.public_bytes(Encoding.PEM)

        async def refused() -> bool:
            answer = await Client(roots, certificate=mine).clusters(running.mtls_port)
            return answer.code is grpc.StatusCode.UNAVAILABLE

        await until(refused, "whom the old root has signed is refused")
        assert (await Client(roots, certificate=running.certificate()).clusters(running.mtls_port)).names


async def test_a_plugged_in_ca_and_the_next_one(tmp_path: Path) -> None:
    first, second = (self_signed(datetime.now(UTC)) for _ in range(2))
    plug(tmp_path / "cacerts", first)
    async with serving(tmp_path, plugged_in_ca=tmp_path / "cacerts") as running:
        assert shown(running.port).issuer == first.certificate.subject
        (tmp_path / "cacerts" / "ca-key.pem").write_bytes(keys.to_pem(second.key))  # half of what is to come

        async def told() -> bool:
            report = running.control_plane.convergence.ca()
            return bool(report and "is not the key of" in " ".join(report.warnings))

        await until(told, "that they do not belong together")
        assert shown(running.port).issuer == first.certificate.subject
        plug(tmp_path / "cacerts", second)

        async def replaced() -> bool:
            return running.issuer == second and shown(running.port).issuer == second.certificate.subject

        await until(replaced, "the second root is the only one")


async def test_new_keys_of_the_issuer_are_taken(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        roots, other = running.issuer.root.public_bytes(Encoding.PEM), JoinTokens()
        token = other.issue("shop", "web", "web-0", now=datetime.now(UTC))
        assert (await Client(roots, token).clusters(running.port)).code is grpc.StatusCode.UNAUTHENTICATED
        (tmp_path / "keys.json").write_text("not yet whole")
        (tmp_path / "keys.json").write_text(jwks(other))

        async def taken() -> bool:
            return bool((await Client(roots, token).clusters(running.port)).names)

        await until(taken, "the new key is taken")
        assert (await Client(roots, running.token()).clusters(running.port)).code is grpc.StatusCode.UNAUTHENTICATED


async def test_where_the_ca_stands(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        transport = httpx.AsyncHTTPTransport(uds=str(tmp_path / "http"))
        async with httpx.AsyncClient(transport=transport, base_url="http://plait") as client:
            page = (await client.get("/debug/ca")).json()
        assert (page["phase"], page["signer"]) == ("stable", running.issuer.root_fingerprint)
        told, status = await plait("ca", "status", "--http", f"unix:{tmp_path / 'http'}", "-o", "json")
        assert (json.loads(told), status) == (page, 0)
        rotate(tmp_path / "ca", self_signed(datetime.now(UTC)))
        told, status = await plait("ca", "status", "--http", f"unix:{tmp_path / 'http'}")
        assert "phase:  " in told


async def test_the_trust_domains_are_those_of_the_mesh(tmp_path: Path) -> None:
    settings = tmp_path / "manifests" / "settings.yaml"
    async with serving(tmp_path) as running:
        roots = running.issuer.root.public_bytes(Encoding.PEM)
        mine = Client(roots, certificate=running.certificate())
        settings.write_text(documents(mesh_config(trustDomain="new.example", trustDomainAliases=["cluster.local"])))

        async def renamed() -> bool:
            return bool(
                (
                    await Client(roots, certificate=running.certificate("web", "new.example")).clusters(
                        running.mtls_port
                    )
                ).names
            )

        await until(renamed, "the new trust domain")
        certificate, chain = await asked(mine, running.mtls_port)
        names = x509.load_pem_x509_certificate(chain[0].encode()).extensions
        found = names.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [name.value for name in found] == ["spiffe://new.example/ns/shop/sa/web"]
        settings.write_text(documents(mesh_config(trustDomain="new.example")))

        async def refused() -> bool:
            return (await mine.clusters(running.mtls_port)).code is grpc.StatusCode.UNAUTHENTICATED

        await until(refused, "who was called by the old name")
        assert (await Client(roots, certificate=certificate).clusters(running.mtls_port)).names


async def plait(*arguments: str) -> tuple[str, int | None]:
    """What the command prints, and its exit status."""
    program = str(Path(sys.executable).with_name("plait"))
    process = await asyncio.create_subprocess_exec(program, *arguments, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    return told.decode(), process.returncode


def state(folder: Path) -> CaState:
    found = DirectoryStore(folder).load()
    assert found is not None
    return found


async def phase(folder: Path, wanted: Phase) -> bool:
    return state(folder).phase is wanted


def rotate(folder: Path, issuer: Issuer) -> None:
    DirectoryStore(folder).save(start(state(folder), issuer, datetime.now(UTC)))
