"""Tokens at real sidecars: who has none passes, a bad one is refused, and what the application learns of a good one."""

from __future__ import annotations

import hmac
import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.envoy.manifests import documents, namespace, pod, service
from xds.local.settings import LocalSettings
from xds.testing.mesh import Mesh, running_mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

WEB: Final = "http://web"
ISSUER: Final = "https://issuer.example"
OTHER: Final = "https://other.example"
KEYS: Final[Mapping[str, Any]] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
PATIENCE: Final = timedelta(seconds=20)
STRANGER: Final = ec.generate_private_key(ec.SECP256R1())
_FORMS: Final[Mapping[str, Any]] = {"ES256": ECAlgorithm, "RS256": RSAAlgorithm, "EdDSA": OKPAlgorithm}


def jwks(**keys: str) -> str:
    """A JWKS of public keys: by their id, the algorithm."""
    public = [
        {**_FORMS[algorithm].to_jwk(KEYS[algorithm].public_key(), as_dict=True), "kid": kid, "alg": algorithm}
        for kid, algorithm in keys.items()
    ]
    return json.dumps({"keys": public})


def token(algorithm: str = "ES256", kid: str = "a", key: Any = None, **claims: Any) -> str:
    """A token of the issuer for user ``ann``, good for an hour unless the claims say otherwise."""
    stated = {"iss": ISSUER, "sub": "ann", "exp": datetime.now(UTC) + timedelta(hours=1), **claims}
    return jwt.encode(stated, key or KEYS[algorithm], algorithm, headers={"kid": kid})


def rule(**more: Any) -> dict[str, Any]:
    return {"issuer": ISSUER, "jwks": jwks(a="ES256", b="RS256", c="EdDSA"), **more}


def authentication(*rules: dict[str, Any], name: str = "users") -> dict[str, Any]:
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "jwtRules": list(rules)},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """A mesh that looks for new keys all the time."""
    manifests = documents(namespace("shop"), pod("client"), pod("web"), service("web"))
    settings = LocalSettings(jwks_refresh=timedelta(milliseconds=200))
    async with running_mesh(manifests, tmp_path_factory.mktemp("mesh"), settings=settings) as running:
        yield running


class KeyServer:
    """An HTTP server on the machine's own loopback, which answers the same to all."""

    def __init__(self, port: int) -> None:
        self.uri = f"http://127.0.0.1:{port}/keys"
        self.body = b""

    def serve(self, text: str) -> None:
        """Answer this from now on."""
        self.body = text.encode()


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = KeyServer(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def status(mesh: Mesh, bearer: str | None = None, path: str = "", **headers: str) -> int:
    """The status of a request with that token."""
    authorization = {"authorization": f"Bearer {bearer}"} if bearer is not None else {}
    return (await mesh.get("client", WEB + path, headers={**authorization, **headers})).status


async def test_no_token_passes_and_only_a_good_one_does(mesh: Mesh) -> None:
    await mesh.apply(documents(authentication(rule(audiences=["shop", "bills"]))))
    good = {"aud": "shop"}
    passing = {
        "none": None,
        "good": token(**good),
        "several audiences": token(aud=["x", "bills"]),
        "RSA": token("RS256", "b", **good),
        "Ed25519": token("EdDSA", "c", **good),
    }
    hour = timedelta(hours=1)
    refused = {
        "another's key": token(key=STRANGER, **good),
        "unknown key": token(kid="z", **good),
        "expired": token(exp=datetime.now(UTC) - hour, **good),
        "not yet": token(nbf=datetime.now(UTC) + hour, **good),
        "another issuer": token(iss=OTHER, **good),
        "no signature": token(**good).rpartition(".")[0] + ".",
        "alg none": jwt.encode({"iss": ISSUER, "aud": "shop"}, "", "none"),
        "nonsense": "nonsense",
    }
    for_others = {"another audience": token(aud="elsewhere"), "no audience": token()}
    answers = {what: await status(mesh, each) for what, each in {**passing, **refused, **for_others}.items()}
    # Envoy tells whose token is good, but for others, by another status: as with Istio.
    assert answers == {**dict.fromkeys(passing, 200), **dict.fromkeys(refused, 401), **dict.fromkeys(for_others, 403)}


async def test_a_public_key_is_no_shared_secret(mesh: Mesh) -> None:
    await mesh.apply(documents(authentication(rule())))
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = json.loads(jwks(a="ES256"))["keys"][0]
    for secret in (KEYS["ES256"].public_key().public_bytes(*form), json.dumps(public).encode(), public["x"].encode()):
        signed = f"{_encoded({'alg': 'HS256', 'kid': 'a'})}.{_encoded({'iss': ISSUER, 'sub': 'root'})}"
        signature = hmac.digest(secret, signed.encode(), "sha256")
        assert await status(mesh, f"{signed}.{urlsafe_b64encode(signature).decode().rstrip('=')}") == 401


def _encoded(part: dict[str, str]) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


async def test_tokens_stand_where_the_rule_says_and_nowhere_else(mesh: Mesh) -> None:
    places = {"fromHeaders": [{"name": "x-token", "prefix": "Token "}], "fromParams": ["t"], "fromCookies": ["session"]}
    await mesh.apply(documents(authentication(rule(**places))))
    bad = token(key=STRANGER)
    assert await status(mesh, bad) == 200, "in Authorization it is not looked at"
    for value, wanted in ((token(), 200), (bad, 401)):
        assert await status(mesh, **{"x-token": f"Token {value}"}) == wanted
        assert await status(mesh, path=f"/?t={value}") == wanted
        assert await status(mesh, cookie=f"session={value}") == wanted


async def test_cookies_alone_leave_out_the_usual_places(mesh: Mesh) -> None:
    await mesh.apply(documents(authentication(rule(fromCookies=["session"]))))
    assert await status(mesh, token(key=STRANGER)) == 200
    assert await status(mesh, cookie=f"session={token(key=STRANGER)}") == 401


async def test_the_usual_places(mesh: Mesh) -> None:
    await mesh.apply(documents(authentication(rule())))
    assert await status(mesh, path=f"/?access_token={token()}") == 200
    assert await status(mesh, path=f"/?access_token={token(key=STRANGER)}") == 401


async def test_the_application_is_told_of_claims_and_cannot_be_told_otherwise(mesh: Mesh) -> None:
    claims = [{"header": "x-user", "claim": "sub"}, {"header": "x-role", "claim": "realm.role"}]
    await mesh.apply(documents(authentication(rule(outputClaimToHeaders=claims, outputPayloadToHeader="x-payload"))))
    given = {"authorization": f"Bearer {token(realm={'role': 'cook'})}", "x-user": "root", "x-payload": "e30"}
    headers = (await mesh.get("client", WEB, headers=given)).echo["headers"]
    assert (headers["x-user"], headers["x-role"]) == ("ann", "cook")
    assert headers["x-payload"] not in ("e30", "")
    assert "authorization" not in headers
    headers = (await mesh.get("client", WEB, headers={"x-user": "root", "x-role": "root"})).echo["headers"]
    assert not {"x-user", "x-role"} & headers.keys()


async def test_the_token_is_left_in_the_request_where_the_rule_says_so(mesh: Mesh) -> None:
    await mesh.apply(documents(authentication(rule(forwardOriginalToken=True))))
    bearer = f"Bearer {token()}"
    headers = (await mesh.get("client", WEB, headers={"authorization": bearer})).echo["headers"]
    assert headers["authorization"] == bearer


async def test_objects_add_up_and_each_issuer_is_checked_by_its_own_keys(mesh: Mesh) -> None:
    other = {"issuer": OTHER, "jwks": jwks(b="RS256"), "fromHeaders": [{"name": "x-other"}]}
    same = {"issuer": "third", "jwks": jwks(b="RS256")}
    await mesh.apply(documents(authentication(rule()), authentication(other, same, name="more")))
    assert await status(mesh) == 200
    assert await status(mesh, token()) == 200
    assert await status(mesh, token("RS256", "b", iss="third")) == 200
    assert await status(mesh, token(iss="third")) == 401
    assert await status(mesh, token(iss="nobody")) == 401
    assert await status(mesh, **{"x-other": token("RS256", "b", iss=OTHER)}) == 200
    assert await status(mesh, **{"x-other": token(iss=OTHER)}) == 401


async def test_keys_that_cannot_be_had_cost_their_own_issuers_tokens_alone(mesh: Mesh) -> None:
    lost = {"issuer": OTHER, "jwksUri": "http://127.0.0.1:9/keys"}
    await mesh.apply(documents(authentication(lost)))
    assert await status(mesh) == 200
    assert await status(mesh, token(iss=OTHER)) == 401
    await mesh.apply(documents(authentication(lost, rule())))
    assert await status(mesh) == 200
    assert await status(mesh, token(iss=OTHER)) == 401
    assert await status(mesh, token()) == 200


async def test_preflights_need_no_token(mesh: Mesh) -> None:
    await mesh.apply(documents(authentication(rule())))
    asked = {"origin": "https://a.example", "access-control-request-method": "GET"}
    bad = {"authorization": "Bearer nonsense"}
    assert (await mesh.get("client", WEB, method="OPTIONS", headers={**asked, **bad})).status != 401
    assert (await mesh.get("client", WEB, method="OPTIONS", headers=bad)).status == 401


async def test_removing_the_object_ends_it(mesh: Mesh) -> None:
    await mesh.apply(documents(authentication(rule())))
    assert await status(mesh, "nonsense") == 401
    await mesh.delete()
    assert await status(mesh, "nonsense") == 200


async def test_what_a_token_says_decides_who_may(mesh: Mesh) -> None:
    sources = [{"source": {"requestPrincipals": [f"{ISSUER}/ann"]}}]
    conditions = [
        {"key": "request.auth.claims[groups]", "values": ["cooks"]},
        {"key": "request.auth.claims[scope]", "values": ["read"]},
        {"key": "request.auth.claims[realm][role]", "values": ["chef"]},
    ]
    policy = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "cooks", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "rules": [{"from": sources, "when": conditions}]},
    }
    await mesh.apply(documents(authentication(rule()), policy))
    good: dict[str, Any] = {"groups": ["waiters", "cooks"], "scope": "write read", "realm": {"role": "chef"}}
    answers = {
        "none": await status(mesh),
        "good": await status(mesh, token(**good)),
        "another": await status(mesh, token(**good, sub="bob")),
        "group": await status(mesh, token(**{**good, "groups": ["waiters"]})),
        "scope": await status(mesh, token(**{**good, "scope": "write"})),
        "role": await status(mesh, token(**{**good, "realm": {"role": "cook"}})),
        "bad": await status(mesh, token(key=STRANGER, **good)),
    }
    assert answers == {"none": 403, "good": 200, "another": 403, "group": 403, "scope": 403, "role": 403, "bad": 401}


async def test_new_keys_come_to_sidecars_without_a_restart(mesh: Mesh, key_server: KeyServer) -> None:
    key_server.serve(jwks(a="ES256"))
    lost = {"issuer": OTHER, "jwksUri": "http://127.0.0.1:9/keys"}
    fetched = {"issuer": ISSUER, "jwksUri": key_server.uri}
    await mesh.apply(documents(authentication(lost, fetched)))

    async def accepted(*wanted: int) -> bool:
        return (await status(mesh, token()), await status(mesh, token("RS256", "b"))) == wanted

    await mesh.until(lambda: accepted(200, 401), "the first keys are in force", PATIENCE)
    before = await mesh.stats("web", "server.(uptime|hot_restart_epoch)|listener_manager.listener_(added|modified)")
    async with mesh.load("client", WEB, 50, headers={"authorization": f"Bearer {token()}"}) as load:
        key_server.serve(jwks(a="ES256", b="RS256"))
        await mesh.until(lambda: accepted(200, 200), "both keys are in force", PATIENCE)
    assert not load.failed
    key_server.serve(jwks(b="RS256"))
    await mesh.until(lambda: accepted(401, 200), "the new keys alone are in force", PATIENCE)
    key_server.serve("<html>")
    await mesh.until(lambda: has_problem(mesh, "jwt.keys-old"), "the old keys are told of", PATIENCE)
    assert await accepted(401, 200)
    assert await status(mesh) == 200
    after = await mesh.stats("web", "listener_manager.listener_(added|modified)")
    assert after == {name: before[name] for name in after}


async def test_keys_that_come_late_are_in_force_within_five_seconds(mesh: Mesh, key_server: KeyServer) -> None:
    key_server.serve("<html>Sign in</html>")
    await mesh.apply(documents(authentication({"issuer": ISSUER, "jwksUri": key_server.uri})))
    await mesh.until(lambda: has_problem(mesh, "jwt.keys-unknown"), "the lack of keys is told of", PATIENCE)
    assert (await status(mesh), await status(mesh, token())) == (200, 401)
    key_server.serve(jwks(a="ES256"))

    async def accepted() -> bool:
        return await status(mesh, token()) == 200

    await mesh.until(accepted, "the keys are in force", PATIENCE)


async def has_problem(mesh: Mesh, code: str) -> bool:
    return any(problem.code == code for problem in mesh.problems)
