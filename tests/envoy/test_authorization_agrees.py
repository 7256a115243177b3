"""What real sidecars answer under random policies is what the verdict says: HTTP, gRPC, TCP, over mTLS and without."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.authz_cases import CLIENTS, DOMAIN, PORTS, ROOT, SERVERS, Call, World, calls, policies, seeded
from tests.envoy.manifests import Manifest, documents, namespace, pod, service
from xds.cli.manifests import manifests
from xds.explain.request import Request
from xds.explain.tokens import judged
from xds.explain.verdict import Guard, Verdict, guard, verdict
from xds.model.labels import labels
from xds.model.security import TLS_MODE_ISTIO, TLS_MODE_LABEL, MtlsMode
from xds.settings import Settings
from xds.testing.mesh import Mesh
from xds.view.graph import Graph, call
from xds.why.tokens import Verifier

# Names that say the protocol, but for two.
NAMES: Final = {"http": "http", "grpc": "grpc", "tcp": "tcp", "http-sniffed": "any-http", "tcp-sniffed": "any-tcp"}
ECHO: Final = "http:8080 http-any:8081 grpc:7070 tcp:9000 tcp-any:9001"
PLAIT: Final = Path(sys.executable).with_name("plait")
SETS: Final = 24
CALLS_A_SET: Final = 20
KEY: Final = ec.generate_private_key(ec.SECP256R1())
FORGED: Final = ec.generate_private_key(ec.SECP256R1())


def running_as(account: str, manifest: Manifest) -> Manifest:
    manifest["spec"]["serviceAccountName"] = account
    return manifest


def security(kind: str, name: str, **spec: Any) -> Manifest:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    ports = [{"name": NAMES[kind], "port": port, "targetPort": target} for kind, (port, target) in PORTS.items()]
    return documents(
        *(namespace(name, inject=name in {"shop", "other"}) for name in ("shop", "other", "plain", ROOT)),
        *(running_as(each.account, pod(each.account, namespace=each.namespace)) for each in CLIENTS),
        *(running_as(name, pod(name, ports=ECHO)) for name in SERVERS),
        *(service(name, *ports) for name in SERVERS),
    )


def issuers() -> Manifest:
    """Two issuers: of the second, only tokens that are for the shop."""
    keys = json.dumps({"keys": [jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)]})
    own = {"issuer": "issuer.example", "jwks": keys}
    other = {"issuer": "other.example", "jwks": keys, "audiences": ["shop"]}
    return security("RequestAuthentication", "tokens", jwtRules=[own, other])


def with_token(made: Call) -> Call:
    """The call with its claims as a token."""
    if made.claims is None:
        return made
    ends = time.time() + (-3600 if made.spoilt == "expired" else 3600)
    key = FORGED if made.spoilt == "forged" else KEY
    token = jwt.encode({**made.claims, "exp": int(ends)}, key, algorithm="ES256")
    return replace(made, headers={**made.headers, "authorization": f"Bearer {token}"}, claims=None)


def world(mesh: Mesh) -> World:
    return World({name: mesh.ip(name) for name in (*(each.pod for each in CLIENTS), "shop/web", "shop/api")})


def guards(mesh: Mesh) -> dict[str, Guard]:
    """What stands before each server, by the manifests that are in force."""
    graph = Graph(manifests([mesh.folder], Settings()).snapshot)
    found = {}
    for name in SERVERS:
        own = {"app": name, "version": "", TLS_MODE_LABEL: TLS_MODE_ISTIO}
        found[name] = graph.get(call(guard, "shop", labels(own)))
    return found


def seen(before: Guard, made: Call, here: World) -> Request:
    """The call as the server's proxy sees it: auto mTLS proves who calls wherever that is not disabled."""
    port = PORTS[made.kind][1]
    request = made.request(here, proven=before.mtls.at(port) is not MtlsMode.DISABLE)
    if request.http is None:
        return request
    return replace(request, http=replace(request.http, token=judged(before.authentication, request.http, Verifier())))


class Got(NamedTuple):
    """What the client gets: ``200``, ``401``, ``403``; ``closed`` (which a client's sidecar tells as 503), and why."""

    outcome: str
    why: str = ""


async def outcome(mesh: Mesh, made: Call) -> Got:
    host = f"{made.server}.shop.{DOMAIN}"
    if made.connection:
        (reply,) = await mesh.tcp(made.client.pod, host, made.port, ["ping"])
        return Got("200" if len(reply.messages) == 2 else "closed", reply.error)
    if made.kind == "grpc":
        target = f"{host}:{made.port}"
        (reply,) = await mesh.grpc(made.client.pod, target, method=made.path, headers=made.headers, data="x")
        return Got(CODES.get(reply.code, reply.code), reply.details)
    headers = {**made.headers, "host": made.host}
    url = f"http://{host}:{made.port}{made.path}"
    answer = await mesh.get(made.client.pod, url, method=made.method, headers=headers)
    return Got({0: "closed", 503: "closed"}.get(answer.status, str(answer.status)), answer.error or answer.body)


CODES: Final = {"OK": "200", "UNAUTHENTICATED": "401", "PERMISSION_DENIED": "403", "UNAVAILABLE": "closed"}


def expected(found: Verdict) -> str:
    return "200" if found.allowed else str(found.status or "closed")


async def disagreements(mesh: Mesh, made: Sequence[Call], counted: Counter[str]) -> list[str]:
    """Every call whose answer is not what the verdict says, with the reasons."""
    before, here, sent = guards(mesh), world(mesh), list(map(with_token, made))
    got = await asyncio.gather(*(outcome(mesh, each) for each in sent))
    wrong = []
    for each, answer in zip(sent, got, strict=True):
        request = seen(before[each.server], each, here)
        said = verdict(before[each.server], request)
        counted[f"{each.kind} {expected(said)}"] += 1
        if expected(said) != answer.outcome:
            wrong.append(f"got {answer.outcome} ({answer.why}): {each}\n  seen as {request}\n  {said}")
    return wrong


async def compare(mesh: Mesh, randoms: Iterable[Random], *always: Manifest, tokens: bool = False) -> Mapping[str, int]:
    """How often each kind of call was answered how, when under all random policies all was as the verdict says."""
    counted: Counter[str] = Counter()
    for random in randoms:
        applied = [*always, *policies(random, world(mesh))]
        await mesh.apply(documents(*applied))
        wrong = await disagreements(mesh, calls(random, CALLS_A_SET, world(mesh), tokens=tokens), counted)
        assert not wrong, "\n".join([*wrong, documents(*applied)])
    return counted


def both(*kinds: str, refused: str = "403") -> set[str]:
    return {f"{kind} {answer}" for kind in kinds for answer in ("200", refused)}


SPOKEN: Final = both("http", "http-sniffed", "grpc") | both("tcp", "tcp-sniffed", refused="closed")


async def test_whoever_calls(mesh: Mesh) -> None:
    counted = await compare(mesh, seeded(1, SETS))
    assert counted.keys() >= SPOKEN, counted


async def test_with_tokens(mesh: Mesh) -> None:
    counted = await compare(mesh, seeded(2, SETS // 2), issuers(), tokens=True)
    assert counted.keys() >= both("http", "grpc", refused="401") | SPOKEN, counted


async def test_under_strict_mtls(mesh: Mesh) -> None:
    strict = security("PeerAuthentication", "default", mtls={"mode": "STRICT"})
    counted = await compare(mesh, seeded(3, SETS // 4), strict)
    assert counted.keys() >= both("http", "grpc", refused="closed"), counted


async def test_where_one_port_is_strict_and_another_takes_plaintext_only(mesh: Mesh) -> None:
    ports = {"8080": {"mode": "STRICT"}, "7070": {"mode": "DISABLE"}, "9001": {"mode": "STRICT"}}
    mixed = security("PeerAuthentication", "web", selector={"matchLabels": {"app": "web"}}, portLevelMtls=ports)
    await mesh.apply(documents(mixed))
    # Connections that were proven stay so for as long as they are open.
    await mesh.until(lambda: nothing_drains(mesh), "connections of the chains before are closed")
    await compare(mesh, seeded(4, SETS // 4), mixed)


async def nothing_drains(mesh: Mesh) -> bool:
    found = [await mesh.stats(f"shop/{name}", "total_(filter_chains|listeners)_draining") for name in SERVERS]
    return not any(value for stats in found for value in stats.values())


async def test_explain_of_a_running_mesh(mesh: Mesh) -> None:
    """The command finds the manifests and the pods' addresses by itself."""
    block = {"source": {"ipBlocks": [mesh.ip("shop/client")]}}
    await mesh.apply(documents(security("AuthorizationPolicy", "by-address", rules=[{"from": [block]}])))
    for client, status, told in (("shop/client", 200, "ALLOWED"), ("other/visitor", 403, "DENIED")):
        assert (await mesh.get(client, "http://web.shop/")).status == status
        command = (str(PLAIT), "explain", client, "web.shop:80", "--mesh", mesh.name)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        assert said.decode().startswith(told), said.decode()
        assert "by-address" in said.decode()
        assert process.returncode == (0 if status == 200 else 1)
