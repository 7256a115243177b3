"""Who a peer is, and whether it is who it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from xds.callers.authenticate import Authenticator, Certificates
from xds.callers.authorize import authorize
from xds.callers.caller import Caller
from xds.callers.failed_attempts import FailedAttempts
from xds.callers.join_tokens import JoinTokens
from xds.callers.tokens import Tokens
from xds.model.endpoint import NOWHERE
from xds.model.proxy import Proxy
from xds.server.errors import Denied, Reason
from xds.server.node import Peer

WEB = Caller("cluster.local", "shop", "web")
ADDRESS = "ipv4:10.0.0.1:4711"
ISSUER = JoinTokens()


def ways(*trust_domains: str) -> tuple[Certificates, Tokens]:
    return Certificates(trust_domains or ("cluster.local",)), Tokens("cluster.local", ISSUER.keys)


def with_token(token: str, address: str = ADDRESS) -> Peer:
    return Peer(address, metadata={"authorization": f"Bearer {token}"})


def token(namespace: str = "shop", account: str = "web", pod: str = "web-0") -> str:
    return ISSUER.issue(namespace, account, pod, now=datetime.now(UTC))


async def refusal(authenticator: Authenticator, peer: Peer) -> Denied:
    with pytest.raises(Denied) as denied:
        await authenticator.authenticate(peer)
    return denied.value


def certificate(not_after: datetime) -> str:
    """A certificate that ends then; what else is in it is not looked at here."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(not_after)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


END = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
PEM = certificate(END)


async def test_a_certificate_of_the_mesh() -> None:
    peer = Peer(ADDRESS, secure=True, identities=("web.shop", WEB.spiffe_id), certificate=PEM)
    assert await Authenticator(ways()).authenticate(peer) == replace(WEB, expires_at=END)
    old = Peer(ADDRESS, secure=True, identities=("spiffe://old.example/ns/shop/sa/web",), certificate=PEM)
    assert (await Authenticator(ways("cluster.local", "old.example")).authenticate(old)).trust_domain == "old.example"


@pytest.mark.parametrize(
    ("peer", "why"),
    [
        (Peer(ADDRESS), "nothing proves who this is: present a client certificate of the mesh or a service-account"),
        (Peer(ADDRESS, secure=False, identities=(WEB.spiffe_id,)), "nothing proves"),
        (Peer(ADDRESS, secure=True, identities=("web.shop",)), "nothing proves"),
        (Peer(ADDRESS, secure=True, identities=("spiffe://evil/ns/shop/sa/web",)), "trust domain evil"),
        (Peer(ADDRESS, secure=True, identities=("spiffe://cluster.local/web",)), "no identity of a service account"),
        (Peer(ADDRESS, secure=True, identities=("spiffe://cluster.local/ns/a/sa/b/c",)), "no identity of"),
        (Peer(ADDRESS, secure=True, identities=("spiffe://cluster.local/ns/../sa/b",)), "no name of"),
        (Peer(ADDRESS, secure=True, identities=(WEB.spiffe_id, WEB.spiffe_id + "x")), "more than one SPIFFE id"),
        (Peer(ADDRESS, secure=True, identities=(WEB.spiffe_id,)), "cannot be read"),
        (
            Peer(ADDRESS, secure=True, identities=(WEB.spiffe_id,), certificate=certificate(END - timedelta(hours=2))),
            "the client certificate expired at",
        ),
        (with_token("x.y.z"), "the bearer token is not one"),
    ],
)
async def test_who_proves_nothing(peer: Peer, why: str) -> None:
    denied = await refusal(Authenticator(ways()), peer)
    assert denied.reason is Reason.UNAUTHENTICATED
    assert why in str(denied)


async def test_the_first_that_proves_wins() -> None:
    foreign = ("spiffe://evil/ns/shop/sa/web",)
    peer = Peer(ADDRESS, secure=True, identities=foreign, metadata={"authorization": f"Bearer {token()}"})
    assert (await Authenticator(ways()).authenticate(peer)).pod == "web-0"


async def test_who_fails_too_often_has_to_wait() -> None:
    authenticator = Authenticator(ways(), FailedAttempts(at_once=2, every_s=60))
    for _ in range(2):
        assert (await refusal(authenticator, with_token("x"))).reason is Reason.UNAUTHENTICATED
    denied = await refusal(authenticator, with_token(token(), "ipv4:10.0.0.1:9"))
    assert denied.reason is Reason.UNAVAILABLE
    assert "too many failed attempts from 10.0.0.1" in str(denied)
    assert (await authenticator.authenticate(with_token(token(), "ipv4:10.0.0.2:9"))).pod == "web-0"


async def test_unix_sockets_are_shared_by_many_and_never_made_to_wait() -> None:
    authenticator = Authenticator(ways(), FailedAttempts(at_once=1, every_s=60))
    for _ in range(3):
        assert (await refusal(authenticator, with_token("x", "unix:"))).reason is Reason.UNAUTHENTICATED
    assert (await authenticator.authenticate(with_token(token(), "unix:"))).pod == "web-0"


def test_addresses() -> None:
    assert Peer("ipv4:10.0.0.1:4711").host == "10.0.0.1"
    assert Peer("ipv6:%5B::1%5D:4711").host == "::1"
    assert Peer("unix:/run/x").host == Peer("unix:").host == ""


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 5)), max_size=60))
def test_failed_attempts_are_bounded_and_forgiven(attempts: list[tuple[str, float]]) -> None:
    failed, now = FailedAttempts(at_once=3, every_s=2.0, most=4), 0.0
    for address, pause_s in attempts:
        now += pause_s
        failed.add(address, now)
        assert len(failed) <= 4
        assert failed.wait_s(address, now) >= 0
    for address in "abcdef":
        assert failed.wait_s(address, now + 2.0 * len(attempts)) == 0


def proxy(node_id: str = "web", **metadata: Any) -> Proxy:
    return Proxy.of(node_id, metadata, locality=NOWHERE, vhds=True, version="1.40.0")


def sidecar(name: str = "web-0", namespace: str = "shop", account: str = "web", node_id: str = "") -> Proxy:
    own = node_id or f"sidecar~10.0.0.1~{name}.{namespace}~{namespace}.svc.cluster.local"
    return proxy(own, NAME=name, NAMESPACE=namespace, SERVICE_ACCOUNT=account)


def test_who_it_says_it_is() -> None:
    pod = Caller("cluster.local", "shop", "web", "web-0")
    authorize(pod, sidecar())
    authorize(WEB, sidecar("any-name"))
    authorize(pod, proxy("web-0", NAMESPACE="shop", SERVICE_ACCOUNT="web"))
    authorize(Caller("cluster.local", "default", "default"), proxy("web"))


@pytest.mark.parametrize(
    ("claimed", "why"),
    [
        (sidecar(namespace="bank"), "its namespace is 'bank', and proves that it is 'shop'"),
        (sidecar(account="admin"), "its service account is 'admin', and proves that it is 'web'"),
        (sidecar(name="web-1"), "its name is 'web-1', and proves that it is 'web-0'"),
        (
            sidecar(node_id="sidecar~10.0.0.1~web-0.bank~bank.svc.cluster.local"),
            "its namespace in its node id is 'bank'",
        ),
        (sidecar(node_id="sidecar~10.0.0.1~db-0.shop~shop.svc.cluster.local"), "its name in its node id is 'db-0'"),
        (proxy("web"), "its namespace is 'default'"),
        (proxy("web-0", NAMESPACE="shop"), "its service account is 'default'"),
        (proxy("web-0", NAMESPACE=["shop"], SERVICE_ACCOUNT="web"), "its namespace is 'default'"),
    ],
)
def test_another_s_name_is_refused(claimed: Proxy, why: str) -> None:
    with pytest.raises(Denied) as denied:
        authorize(Caller("cluster.local", "shop", "web", "web-0"), claimed)
    assert denied.value.reason is Reason.PERMISSION_DENIED
    assert why in str(denied.value)


async def test_a_stolen_token() -> None:
    authenticator = Authenticator(ways())
    caller = await authenticator.authenticate(with_token(token("bank", "vault", "vault-0")))
    with pytest.raises(Denied, match="namespace is 'shop', and proves that it is 'bank'"):
        authorize(caller, sidecar())


@given(st.text())
def test_an_id_is_refused_or_is_what_it_was(text: str) -> None:
    for spiffe_id in (text, f"spiffe://{text}", f"spiffe://cluster.local/ns/{text}/sa/web"):
        try:
            assert Caller.of(spiffe_id).spiffe_id == spiffe_id
        except ValueError:
            continue


def test_a_token_is_in_no_repr() -> None:
    assert "Bearer" not in repr(with_token(token()))
    assert "PRIVATE" not in repr(ISSUER)
