"""The CSR service over a real gRPC connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509

from ca import messages
from ca.authority import Authority
from ca.issuer import Issuer, self_signed
from ca.keys import KeyKind
from ca.messages import CertificateRequest
from ca.rate import RateLimit
from ca.service import Answer, Caller, Context, Denied, Limits, handlers
from ca.trust import TrustBundle
from tests.unit.ca.made import DAY, SHOP, Made, authority, csr

NOW = datetime.now(UTC)
METHOD = f"/{messages.SERVICE}/{messages.METHOD}"
OTHER = self_signed(NOW)


def below_an_intermediate() -> Issuer:
    root = self_signed(NOW)
    above = Made(root.certificate, root.key)
    since = NOW - datetime(2026, 8, 1, 12, tzinfo=UTC)  # what `authority` counts from
    signer = authority("signer", above=above, begins=since, ends=since + 30 * DAY)
    return Issuer((signer.certificate, root.certificate), signer.key)


CA = Authority(below_an_intermediate(), "cluster.local", TrustBundle.of([OTHER.root]))


async def by_token(context: Context) -> Caller:
    """A stand-in for token review: the token is the identity."""
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            return Caller(str(value).removeprefix("Bearer "))
    raise Denied("no token in `authorization`")


@asynccontextmanager
async def calling(ca: Authority = CA, limits: Limits | None = None) -> AsyncIterator[Any]:
    """A function that asks with a message, as somebody; and the answers that the server told of, as ``told``."""
    told: list[Answer] = []
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([handlers(lambda: ca, by_token, told.append, limits or Limits())])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:

        async def ask(message: bytes | CertificateRequest, who: str = SHOP) -> list[str]:
            encoded = message if isinstance(message, bytes) else messages.encode_request(message)
            metadata = (("authorization", f"Bearer {who}"),) if who else ()
            call: Any = channel.unary_unary(METHOD)
            return messages.decode_response(await call(encoded, metadata=metadata, timeout=10))

        ask.told = told  # type: ignore[attr-defined]
        yield ask
    await server.stop(None)


async def refused(answer: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answer
    return caught.value.code(), caught.value.details() or ""


async def test_the_proven_identity_gets_its_certificate() -> None:
    async with calling() as ask:
        chain = await ask(CertificateRequest(csr()))
        leaf, signer, roots = chain
        certificate = x509.load_pem_x509_certificate(leaf.encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [str(name.value) for name in names] == [SHOP]
        assert x509.load_pem_x509_certificate(signer.encode()) == CA.issuer.certificate
        assert roots.encode() == CA.roots.pem
        assert roots.count("BEGIN") == 2
        assert certificate.not_valid_after_utc - datetime.now(UTC) > timedelta(hours=23, minutes=59)
        (answer,) = ask.told
        assert (answer.caller, answer.code, answer.signed.serial) == (
            Caller(SHOP),
            grpc.StatusCode.OK,
            certificate.serial_number,
        )


@pytest.mark.parametrize(
    ("seconds", "expected"), [(60, timedelta(minutes=1)), (3600, timedelta(hours=1)), (2**62, timedelta(hours=2))]
)
async def test_the_lifetime_asked_for_up_to_the_longest(seconds: int, expected: timedelta) -> None:
    async with calling(limits=Limits(longest_lifetime=timedelta(hours=2))) as ask:
        leaf = x509.load_pem_x509_certificate((await ask(CertificateRequest(csr(), seconds)))[0].encode())
        assert abs(leaf.not_valid_after_utc - datetime.now(UTC) - expected) < timedelta(seconds=10)


async def test_what_is_refused_and_why() -> None:
    code = grpc.StatusCode
    async with calling(limits=Limits(burst=100)) as ask:
        assert await refused(ask(CertificateRequest(csr()), "")) == (
            code.UNAUTHENTICATED,
            "no token in `authorization`",
        )
        assert await refused(ask(b"\xff\xff")) == (
            code.INVALID_ARGUMENT,
            "the request is no istio.v1.auth.IstioCertificateRequest",
        )
        assert (await refused(ask(b"")))[1].startswith("the CSR cannot be read")
        assert (await refused(ask(b"x" * 40_000)))[1].startswith("the request has 40000 bytes: at most")
        for seconds in (-1, 59):
            assert "must be 60 or more, or 0" in (await refused(ask(CertificateRequest(csr(), seconds))))[1]
        other = "spiffe://cluster.local/ns/shop/sa/other"
        assert await refused(ask(CertificateRequest(csr(), impersonated=other))) == (
            code.PERMISSION_DENIED,
            f"{SHOP} may not ask for certificates of {other}",
        )
        assert (await refused(ask(CertificateRequest(csr()), "spiffe://b/ns/a/sa/b")))[0] == code.INVALID_ARGUMENT
        assert await ask(CertificateRequest(csr(), impersonated=SHOP))
        assert all(answer.signed is None for answer in ask.told[:-1])


async def test_a_ca_that_cannot_sign_says_so() -> None:
    async with calling(Authority(self_signed(NOW - timedelta(days=4000)), "cluster.local")) as ask:
        status, text = await refused(ask(CertificateRequest(csr())))
        assert status == grpc.StatusCode.UNAVAILABLE
        assert text.startswith("this CA cannot sign: the CA's certificate (CN=Plait mesh CA")


async def test_one_who_asks_too_often_is_stopped_and_others_are_not() -> None:
    async with calling(limits=Limits(per_second=0.001, burst=2)) as ask:
        assert await ask(CertificateRequest(csr()))
        assert await ask(CertificateRequest(csr()))
        assert await refused(ask(CertificateRequest(csr()))) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"{SHOP} asks too often: at most 2 certificates at once and 0.001 a second",
        )
        assert await ask(CertificateRequest(csr()), "spiffe://cluster.local/ns/shop/sa/other")


def test_tokens_come_back_with_time() -> None:
    rate = RateLimit(per_second=2, burst=3)
    assert [rate.take("a", 0) for _ in range(4)] == [True, True, True, False]
    assert [rate.take("a", 0.5), rate.take("a", 0.5)] == [True, False]
    assert [rate.take("a", 1000) for _ in range(4)] == [True, True, True, False]


def test_memory_is_bounded() -> None:
    rate = RateLimit(per_second=1, burst=1)
    for number in range(30_000):
        assert rate.take(str(number), 0)
    assert not rate.take("29999", 0)
    assert rate.take("0", 0)  # forgotten


async def by_certificate(context: Context) -> Caller:
    """Who the client's certificate says it is, as BoringSSL has verified it."""
    (name,) = context.auth_context()["x509_subject_alternative_name"]
    return Caller(name.decode())


@pytest.mark.parametrize("issuer", [CA.issuer, self_signed(NOW, KeyKind.RSA4096), OTHER])
async def test_boringssl_takes_them_and_a_certificate_renews_itself(issuer: Issuer) -> None:
    ca = Authority(issuer, "cluster.local", TrustBundle.of([OTHER.root, CA.issuer.root]))
    served = ca.issue_server(["plait.mesh"], DAY, NOW)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([handlers(lambda: ca, by_certificate, lambda _: None)])
    pair = (served.private_key, served.certificate_chain)
    port = server.add_secure_port(
        "127.0.0.1:0", grpc.ssl_server_credentials([pair], root_certificates=ca.roots.pem, require_client_auth=True)
    )
    await server.start()
    own = Authority(OTHER, "cluster.local").issue(SHOP, DAY, NOW)
    credentials = grpc.ssl_channel_credentials(ca.roots.pem, own.private_key, own.certificate_chain)
    named = (("grpc.ssl_target_name_override", "plait.mesh"),)
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options=named) as channel:
        call: Any = channel.unary_unary(METHOD)
        chain = messages.decode_response(await call(messages.encode_request(CertificateRequest(csr())), timeout=10))
    leaf = x509.load_pem_x509_certificate(chain[0].encode())
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value[0].value == SHOP
    await server.stop(None)
