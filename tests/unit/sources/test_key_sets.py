"""Fetching keys of token issuers: from a real server that rotates, flaps, hangs, lies; one failure harms no other."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm

from xds.model.jwks import BLOCKED, DISCOVERY
from xds.model.security import KeySet
from xds.sources.key_sets import KeySets, KeySetSettings, networks

QUICK = KeySetSettings(
    timeout=timedelta(seconds=10),
    refresh=timedelta(milliseconds=30),
    soonest=timedelta(milliseconds=10),
    retry=timedelta(milliseconds=20),
    longest_retry=timedelta(milliseconds=100),
    longest_retry_without=timedelta(milliseconds=50),
)


def jwks(*kids: str) -> str:
    """A JWKS of new keys of these names."""
    return json.dumps({"keys": [{**_public(), "kid": kid} for kid in kids]})


def _public() -> dict[str, Any]:
    return ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)


def kids(found: KeySet) -> list[str]:
    return sorted(key["kid"] for key in json.loads(found.jwks)["keys"]) if found.jwks else []


@dataclass
class Issuer:
    """An HTTP server in a thread: what it answers by path, and which paths it was asked for."""

    answers: dict[str, tuple[int, str, dict[str, str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    scheme: str = "http"

    def uri(self, path: str = "/keys") -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def says(self, body: str, path: str = "/keys", status: int = 200, **headers: str) -> None:
        self.answers[path] = (status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def served(issuer: Issuer, tls: ssl.SSLContext | None = None) -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            if self.path.startswith("/hang"):
                issuer.hanging.wait(30)
            status, body, headers = issuer.answers.get(self.path, (404, "", {}))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        issuer.scheme = "https"
    issuer.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield issuer
    finally:
        issuer.hanging.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    yield from served(Issuer())


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Issuer, str]]:
    """A server with TLS, and the file of its authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(hours=1), now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "issuer.pem"
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(pem + key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    authority = tmp_path / "authority.pem"
    authority.write_bytes(pem)
    for each in served(Issuer(), context):
        yield each, str(authority)


Next = Callable[[], Awaitable[tuple[str, KeySet]]]


@asynccontextmanager
async def following(*names: str, settings: KeySetSettings = QUICK) -> AsyncIterator[tuple[KeySets, Next]]:
    """Key sets that follow these names, and a function that waits for the next change."""
    sets = KeySets(settings)
    sets.want(names)
    async with aclosing(sets.changes()) as changes:

        async def following_change() -> tuple[str, KeySet]:
            async with asyncio.timeout(20):
                return await anext(changes)

        yield sets, following_change


async def until(change: Next, wanted: Callable[[KeySet], bool]) -> KeySet:
    """The first change that is so. TimeoutError after twenty seconds."""
    async with asyncio.timeout(20):
        while True:
            _, found = await change()
            if wanted(found):
                return found


async def test_keys_are_read_and_what_is_private_or_useless_is_left_out(issuer: Issuer) -> None:
    keys = [
        {**_public(), "kid": "good", "d": "c2VjcmV0", "x5c": ["MII"]},
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
        {**_public(), "kid": "off-curve", "x": "AA"},
        {**_public(), "kid": "encrypts", "use": "enc"},
        {"kty": "weird"},
        "nonsense",
    ]
    issuer.says(json.dumps({"keys": keys}))
    async with following(issuer.uri()) as (_, change):
        name, found = await change()
    assert name == found.uri == issuer.uri()
    assert not found.problem
    assert kids(found) == ["good"]
    assert set(json.loads(found.jwks)["keys"][0]) == {"kty", "crv", "x", "y", "kid"}


async def test_new_keys_come_without_being_asked_for(issuer: Issuer) -> None:
    issuer.says(jwks("one"))
    async with following(issuer.uri()) as (_, change):
        assert kids((await change())[1]) == ["one"]
        issuer.says(jwks("two", "three"))
        assert kids((await change())[1]) == ["three", "two"]


async def test_the_same_keys_in_another_order_are_no_change(issuer: Issuer) -> None:
    text = jwks("one", "two")
    issuer.says(text)
    async with following(issuer.uri()) as (_, change):
        await change()
        keys = json.loads(text)["keys"]
        issuer.says(json.dumps({"keys": keys[::-1], "more": 1}))
        asked = len(issuer.asked)
        await eventually(lambda: len(issuer.asked) > asked + 2)
        issuer.says(jwks("last"))
        assert kids((await change())[1]) == ["last"]


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (another thread tells nobody)
            await asyncio.sleep(0.005)


BAD = {
    "html": (200, "<html>Sign in</html>", "must be a JWKS in JSON, is HTML"),
    "truncated": (200, '{"keys": [{"kty"', "must be a JWKS in JSON"),
    "deep": (200, "[" * 100_000, "must be a JWKS in JSON"),
    "empty": (200, '{"keys": []}', "the list is empty"),
    "unsupported": (200, '{"keys": [{"kty": "weird"}]}', "kty must be RSA, EC or OKP, is 'weird'"),
    "no-point": (200, json.dumps({"keys": [{**_public(), "x": "AA"}]}), "their numbers are none of a key"),
    "failing": (503, "", "status 503"),
    "too-long": (200, " " * 300 * 1024, "is longer than 256 KiB"),
    "redirected-for-ever": (302, "", "redirect"),
}


@pytest.mark.parametrize("kind", BAD)
async def test_bad_answers_cost_no_keys_that_were_good(kind: str, issuer: Issuer) -> None:
    status, body, problem = BAD[kind]
    issuer.says(jwks("one"))
    async with following(issuer.uri()) as (_, change):
        await change()
        issuer.says(body, status=status, location=issuer.uri())
        _, found = await change()
        assert problem in found.problem
        assert kids(found) == ["one"]
        issuer.says(jwks("two"))
        _, found = await change()
        assert (kids(found), found.problem) == (["two"], "")


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_answer_at_first_is_no_keys_and_a_problem(kind: str, issuer: Issuer) -> None:
    status, body, problem = BAD[kind]
    issuer.says(body, status=status, location=issuer.uri())
    async with following(issuer.uri()) as (_, change):
        _, found = await change()
        assert not found.jwks
        assert problem in found.problem
        issuer.says(jwks("one"))
        assert kids((await change())[1]) == ["one"]


async def test_a_server_that_was_down_is_found_within_five_seconds_of_its_return(issuer: Issuer) -> None:
    issuer.says("", status=500)
    async with following(issuer.uri(), settings=KeySetSettings()) as (_, change):
        await change()
        await eventually(lambda: len(issuer.asked) > 1)
        issuer.says(jwks("one"))
        assert kids((await change())[1]) == ["one"]


def test_without_keys_no_retry_is_later_than_five_seconds() -> None:
    assert KeySetSettings().longest_retry_without * 1.2 < timedelta(seconds=5)


async def test_one_that_flaps_is_told_of_each_time_and_keeps_its_keys(issuer: Issuer) -> None:
    text = jwks("one")
    issuer.says(text)
    async with following(issuer.uri()) as (_, change):
        await change()
        for _ in range(3):
            issuer.says("", status=500)
            assert kids(await until(change, lambda found: bool(found.problem))) == ["one"]
            issuer.says(text)
            assert kids(await until(change, lambda found: not found.problem)) == ["one"]


async def test_servers_that_hang_delay_no_other(issuer: Issuer) -> None:
    issuer.says(jwks("one"))
    hanging = [issuer.uri(f"/hang/{number}") for number in range(6)]

    def asked() -> int:
        return sum(path.startswith("/hang/") for path in issuer.asked)

    settings = replace(QUICK, timeout=timedelta(milliseconds=500), at_once=1)
    async with following(*hanging, settings=settings) as (sets, change):
        for _ in hanging:
            assert "no answer within 0.5s" in (await change())[1].problem
        before = asked()
        sets.want([*hanging, issuer.uri()])
        assert kids(await until(change, lambda found: bool(found.jwks))) == ["one"]
        assert asked() - before < len(hanging), "it came before each of them was given its time again"


async def test_what_is_not_wanted_any_more_is_not_asked_for(issuer: Issuer) -> None:
    issuer.says(jwks("one"))
    issuer.says(jwks("other"), "/other")
    async with following(issuer.uri()) as (sets, change):
        await change()
        sets.want([issuer.uri("/other")])
        assert kids((await change())[1]) == ["other"]
        asked = issuer.asked.count("/keys")
        others = issuer.asked.count("/other")
        await eventually(lambda: issuer.asked.count("/other") > others + 2)
        assert issuer.asked.count("/keys") == asked
        sets.want([issuer.uri()])
        assert kids((await change())[1]) == ["one"], "wanted again, it is told of again"


@pytest.mark.parametrize("header", ["no-cache", "no-store", "max-age=0", "public, Max-Age=0"])
async def test_max_age_counts_within_bounds(header: str, issuer: Issuer) -> None:
    issuer.says(jwks("one"), cache_control=header)
    settings = replace(QUICK, refresh=timedelta(hours=1))
    async with following(issuer.uri(), settings=settings) as (_, change):
        await change()
        issuer.says(jwks("two"), cache_control="max-age=9999999")
        assert kids((await change())[1]) == ["two"]
        asked = len(issuer.asked)
    assert len(issuer.asked) == asked


async def test_discovery_leads_to_the_keys_of_that_issuer_alone(issuer: Issuer) -> None:
    def document(stated: str) -> str:
        return json.dumps({"issuer": stated, "jwks_uri": issuer.uri("/own-keys")})

    issuer.says(jwks("one"), "/own-keys")
    issuer.says(document(issuer.uri("/tenant/")), f"/tenant{DISCOVERY}")
    issuer.says(document("https://other.example"), f"/liar{DISCOVERY}")
    issuer.says("<html>", f"/html{DISCOVERY}")
    names = [issuer.uri(f"/{each}{DISCOVERY}") for each in ("tenant", "liar", "html")]
    async with following(*names) as (_, change):
        found = dict([await change() for _ in names])
    assert kids(found[names[0]]) == ["one"]
    assert found[names[0]].uri == names[0]
    assert "is one of issuer 'https://other.example'" in found[names[1]].problem
    assert 'must be JSON with "jwks_uri"' in found[names[2]].problem


async def test_redirects_are_followed_three_times(issuer: Issuer) -> None:
    for step in range(4):
        issuer.says("", f"/{step}", 302, location=issuer.uri(f"/{step + 1}"))
    issuer.says(jwks("one"), "/4")
    async with following(issuer.uri("/1")) as (sets, change):
        assert kids((await change())[1]) == ["one"]
        sets.want([issuer.uri("/0")])
        assert "redirect" in (await change())[1].problem


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_blocked_addresses_are_not_asked_whatever_their_name(host: str, issuer: Issuer) -> None:
    issuer.says(jwks("one"))
    settings = replace(QUICK, blocked=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
    async with following(f"http://{host}:{issuer.port}/keys", settings=settings) as (_, change):
        assert "is at a blocked address" in (await change())[1].problem
    assert not issuer.asked


async def test_no_redirect_leads_to_a_blocked_address(issuer: Issuer) -> None:
    issuer.says("", status=302, location="http://169.254.169.254/latest/meta-data")
    async with following(issuer.uri()) as (_, change):
        assert (await change())[1].problem == "169.254.169.254 is at a blocked address"
    assert any(ip_address("169.254.169.254") in network for network in networks(BLOCKED))


async def test_tls_is_verified(secure: tuple[Issuer, str], monkeypatch: pytest.MonkeyPatch) -> None:
    issuer, authority = secure
    issuer.says(jwks("one"))
    async with following(issuer.uri()) as (_, change):
        assert "certificate verify failed" in (await change())[1].problem
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    async with following(issuer.uri()) as (_, change):
        assert kids((await change())[1]) == ["one"]
    wrong = issuer.uri().replace("127.0.0.1", "localhost")
    async with following(wrong) as (_, change):
        assert "certificate verify failed" in (await change())[1].problem


async def test_what_begins_with_tls_does_not_go_on_without(
    secure: tuple[Issuer, str], issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, authority = secure
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    issuer.says(jwks("one"))
    own.says("", status=302, location=issuer.uri())
    async with following(own.uri()) as (_, change):
        assert "from https to http" in (await change())[1].problem


@pytest.mark.parametrize(
    "uri", ["http://", "http://a..b/", f"http://{'a' * 70}.example/", "http://nowhere.invalid/", "ftp://a/"]
)
async def test_names_that_lead_nowhere_are_a_problem(uri: str) -> None:
    async with following(uri) as (_, change):
        found = (await change())[1]
        assert found.problem
        assert "bug" not in found.problem
