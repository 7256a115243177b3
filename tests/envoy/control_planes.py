"""Control planes that serve over TLS, as ``plait serve`` puts them together, and clients that are no Envoys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from jwt.algorithms import ECAlgorithm

from ca import keys
from ca.authority import Authority, Issued
from ca.directory_store import DirectoryStore
from ca.issuer import Issuer, self_signed
from ca.state import CaState
from tests.envoy.manifests import documents, namespace, service
from xds.api.envoy.service.discovery.v3 import discovery_pb2
from xds.app import ControlPlane
from xds.bootstrap.node import ProxyNode
from xds.callers.join_tokens import ISSUER, JoinTokens
from xds.serving import trust
from xds.settings import Settings
from xds.sources.files import FileSource
from xds.wire.type_urls import CLUSTER

MANIFESTS = documents(namespace("shop"), service("web"))
NODE = ProxyNode("sidecar", "shop", "web-0", ("127.0.0.1",), service_account="web")
HOUR = timedelta(hours=1)
_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"


@dataclass(frozen=True)
class Serving:
    """A running control plane, the issuer of its tokens, and where its files are."""

    control_plane: ControlPlane
    tokens: JoinTokens
    folder: Path

    @property
    def port(self) -> int:
        return self.control_plane.ports.bound["xds"]

    @property
    def mtls_port(self) -> int:
        return self.control_plane.ports.bound["xds_mtls"]

    @property
    def issuer(self) -> Issuer:
        state = DirectoryStore(self.folder / "ca").load()
        assert state is not None
        return state.signer

    def token(self, namespace: str = "shop", account: str = "web", pod: str = "web-0", **how: Any) -> str:
        return self.tokens.issue(namespace, account, pod, now=how.pop("now", datetime.now(UTC)), **how)

    def certificate(self, account: str = "web", trust_domain: str = "cluster.local") -> Issued:
        """A certificate of the mesh's CA for an account in shop."""
        return issued(self.issuer, account, trust_domain)


def issued(
    issuer: Issuer, account: str = "web", trust_domain: str = "cluster.local", ago: timedelta = HOUR * 0
) -> Issued:
    """A certificate of an hour, made some time ago, for an account in shop."""
    identity = f"spiffe://{trust_domain}/ns/shop/sa/{account}"
    return Authority(issuer, trust_domain).issue(identity, HOUR, datetime.now(UTC) - ago)


def jwks(tokens: JoinTokens) -> str:
    """The public keys of an issuer, as a file has them."""
    found = [
        {**ECAlgorithm.to_jwk(key.key, as_dict=True), "kid": name, "use": "sig", "alg": "ES256"}
        for name, key in tokens.keys.keys.items()
    ]
    return json.dumps({"keys": found})


def aged_issuer(age: timedelta = timedelta(days=1)) -> Issuer:
    """A root that could have signed something a while ago."""
    return self_signed(datetime.now(UTC) - age)


@asynccontextmanager
async def serving(folder: Path, *, issuer: Issuer | None = None, **settings: Any) -> AsyncIterator[Serving]:
    """A control plane on two TLS ports, for tokens and for certificates; ``folder`` holds its CA and all else."""
    tokens, manifests, keys_file = JoinTokens(), folder / "manifests", folder / "keys.json"
    manifests.mkdir()
    (manifests / "mesh.yaml").write_text(MANIFESTS)
    keys_file.write_text(jwks(tokens))
    if issuer is not None:
        DirectoryStore(folder / "ca").save(CaState(issuer, datetime.now(UTC)))
    wanted = {
        "xds": "127.0.0.1:0",
        "xds_mtls": "127.0.0.1:0",
        "http": f"unix:{folder / 'http'}",
        "ca_dir": folder / "ca",
        "token_issuer": ISSUER,
        "token_keys": str(keys_file),
        **settings,
    }
    made = Settings(manifests=(manifests,), **wanted)
    async with ControlPlane(made, [FileSource(manifests)], trust(made, {})) as control_plane:
        yield Serving(control_plane, tokens, folder)


@dataclass
class Answer:
    """How a stream went: the names that were served, or the status that it ended with."""

    names: Sequence[str] = ()
    code: grpc.StatusCode = grpc.StatusCode.OK
    text: str = ""


@dataclass(frozen=True)
class Client:
    """Who comes over TLS: with a token, with a certificate, with both or with neither."""

    roots: bytes
    token: str = field(default="", repr=False)
    certificate: Issued | None = None

    @asynccontextmanager
    async def channel(self, port: int) -> AsyncIterator[grpc.aio.Channel]:
        own = self.certificate
        pair = (own.private_key, own.certificate_chain) if own else (None, None)
        credentials = grpc.ssl_channel_credentials(self.roots, *pair)
        # Without a pool of its own a channel may use a connection that was proven by somebody else.
        options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options=options) as channel:
            yield channel

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    async def clusters(self, port: int, node: ProxyNode = NODE) -> Answer:
        """What comes when all clusters are asked for over ADS."""
        request = discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER)
        said = node.as_dict()
        request.node.id, request.node.cluster = said["id"], said["cluster"]
        request.node.metadata.update(said["metadata"])
        async with self.channel(port) as channel:
            call: Any = channel.stream_stream(_METHOD)(metadata=self.metadata, timeout=20)
            try:
                await call.write(request.SerializeToString())
                response = discovery_pb2.DeltaDiscoveryResponse.FromString(await call.read())
                return Answer([each.name for each in response.resources])
            except grpc.aio.AioRpcError as error:
                return Answer((), error.code(), error.details() or "")
            except (asyncio.InvalidStateError, TypeError):  # the call has ended, or ended without a message
                return Answer((), await call.code(), await call.details())


def csr(key: keys.PrivateKey) -> bytes:
    """What istio's agent asks with: its key, and names that are not looked at."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("spiffe://cluster.local/ns/kube-system/sa/x")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.add_extension(names, critical=True).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
