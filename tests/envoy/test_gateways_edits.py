"""An edit of a gateway costs the connections of the names that mean something else, and no others."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from ca.authority import Authority
from ca.issuer import Issuer, self_signed
from tests.envoy.gateway_api import gateway_class
from tests.envoy.manifests import (
    Manifest,
    documents,
    gateway,
    namespace,
    pod,
    router,
    server,
    service,
    virtual_service,
)
from xds.local.settings import LocalSettings
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

OUTSIDE: Final = "outside/browser"
HOLDER: Final = str(Path(__file__).with_name("edge_streams.py"))
DAY: Final = timedelta(days=1)
LIMIT: Final = timedelta(seconds=160)
ASK: Final = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=150).read().decode())"
SHOWN: Final = """
import socket, ssl, sys
from cryptography import x509
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
with socket.create_connection((sys.argv[1], 8443), 30) as plain:
    with context.wrap_socket(plain, server_hostname=sys.argv[2]) as secure:
        found = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True))
names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
print(" ".join(names.value.get_values_for_type(x509.DNSName)))
"""
Edit = Callable[[list[Manifest]], object]


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return self_signed(datetime.now(UTC))


@pytest.fixture(scope="module")
def mesh_settings() -> LocalSettings:
    """What drains is cut soon."""
    return LocalSettings(envoy_flags=("--drain-time-s", "1", "--drain-strategy", "immediate"))


@pytest.fixture(scope="module")
def mesh_manifests(issuer: Issuer) -> str:
    roots = Authority(issuer, "example.com").roots.pem.decode()
    ports = ({"name": "http", "port": 80, "targetPort": 8080}, {"name": "grpc", "port": 7070})
    udp = {"name": "http3", "port": 443, "targetPort": 8443, "protocol": "UDP"}
    return documents(
        namespace("shop"),
        namespace("ingress"),
        namespace("outside", inject=False),
        pod("browser", namespace="outside", command=[sys.executable, HOLDER, roots]),
        pod("web", ports="http:8080 grpc:7070"),
        service("web", *ports),
        *router("edge", "ingress", {"name": "https", "port": 443, "targetPort": 8443}, udp),
        gateway_class(),
    )


def secret(issuer: Issuer, name: str, *names: str) -> Manifest:
    served = Authority(issuer, "example.com").issue_server(list(names), DAY, datetime.now(UTC))
    texts = {"tls.crt": served.certificate_chain.decode(), "tls.key": served.private_key.decode()}
    metadata = {"name": name, "namespace": "ingress"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": texts}


@pytest.fixture(scope="module")
def kept(issuer: Issuer) -> list[Manifest]:
    """Secrets, and the routes of all hosts."""
    http, grpc = ([{"destination": {"host": "web", "port": {"number": number}}}] for number in (80, 7070))
    routes: list[Manifest] = [{"match": [{"uri": {"prefix": "/test.Streams"}}], "route": grpc}, {"route": http}]
    passed = {"match": [{"sniHosts": ["p.test"]}], "route": http}
    return [
        secret(issuer, "first", "a.test", "b.test", "c.test", "first.test"),
        secret(issuer, "second", "a.test", "b.test", "c.test", "second.test"),
        virtual_service("*.test", *routes, name="all", gateways=["front"]),
        virtual_service("p.test", name="passed", gateways=["front"], tls=[passed]),
    ]


def https(*hosts: str, name: str = "https", secret: str = "first") -> Manifest:
    return server(443, "HTTPS", *hosts, name=name, tls={"mode": "SIMPLE", "credentialName": secret})


SERVERS: Final = (
    https("a.test", "b.test"),
    server(443, "TLS", "p.test", name="passed", tls={"mode": "PASSTHROUGH"}),
)


async def heard(mesh: Mesh, address: str, *names: str) -> dict[str, str]:
    """What is wrong with each stream to those names, when nothing drains any more."""

    async def nothing_drains() -> bool:
        found = await mesh.stats("ingress/edge", "total_(filter_chains|listeners)_draining")
        return not any(found.values())

    await mesh.until(nothing_drains, "what drains is cut")
    url = "/".join(("http://127.0.0.1:8080", address, "8443", *names))
    done = await mesh.local.exec(mesh.pod(OUTSIDE), [sys.executable, "-c", ASK, url], limit=LIMIT)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


async def shown(mesh: Mesh, name: str) -> str:
    """The names in the certificate that new connections see; empty where there is none."""
    words = [sys.executable, "-c", SHOWN, mesh.ip("ingress/edge"), name]
    return (await mesh.local.exec(mesh.pod(OUTSIDE), words)).stdout.strip()


async def open_streams(mesh: Mesh, *names: str) -> None:
    """Have streams to those names; those of another test are closed by now."""
    await heard(mesh, mesh.ip("ingress/edge"), *names)
    told = await heard(mesh, mesh.ip("ingress/edge"), *names)
    assert set(told.values()) <= {"opened", ""}, told
    assert all_open(await heard(mesh, mesh.ip("ingress/edge"), *names))


def all_open(told: dict[str, str]) -> bool:
    """Whether no stream was cut."""
    assert set(told.values()) == {""}, told
    return True


async def replaced(mesh: Mesh) -> int:
    """How often listeners were replaced whole, of TCP and of UDP."""
    found = await mesh.stats("ingress/edge", r"listener_manager\.listener_(modified|in_place_updated)$")
    return found["listener_manager.listener_modified"] - found["listener_manager.listener_in_place_updated"]


EDITS: Final[dict[str, Edit]] = {
    "a host more": lambda servers: servers[0]["hosts"].insert(0, "c.test"),
    "a host less": lambda servers: servers[0]["hosts"].remove("b.test"),
    "another name": lambda servers: servers[0].update(name="renamed"),
    "another Secret": lambda servers: servers[0]["tls"].update(credentialName="second"),
    "a server before": lambda servers: servers.insert(0, https("c.test", name="other", secret="second")),
    "nothing passed on": lambda servers: servers.pop(1),
    "everything passed on": lambda servers: servers[1].update(hosts=["*"]),
}


async def test_streams_stay_open(mesh: Mesh, kept: list[Manifest]) -> None:
    before = gateway("front", *SERVERS)
    await mesh.apply(documents(before, *kept))
    await open_streams(mesh, "a.test")
    count = await replaced(mesh)
    for said, edit in EDITS.items():
        after = copy.deepcopy(before)
        edit(after["spec"]["servers"])
        for each in (after, before):
            await mesh.apply(documents(each, *kept))
            secret = next(one["tls"]["credentialName"] for one in each["spec"]["servers"] if "a.test" in one["hosts"])
            assert (await shown(mesh, "a.test")).endswith(f"{secret}.test"), said
            assert all_open(await heard(mesh, mesh.ip("ingress/edge"), "a.test")), said
    assert await replaced(mesh) == count


async def test_what_goes_is_cut_and_nothing_else(mesh: Mesh, kept: list[Manifest]) -> None:
    await mesh.apply(documents(gateway("front", https("a.test", "b.test")), *kept))
    await open_streams(mesh, "a.test", "b.test")
    await mesh.apply(documents(gateway("front", https("b.test")), *kept))
    assert await shown(mesh, "a.test") == ""
    told = await heard(mesh, mesh.ip("ingress/edge"), "a.test", "b.test")
    assert {name for name, problem in told.items() if problem} == {"websocket a.test", "grpc a.test"}


async def test_the_last_name_beside_a_server_for_all(mesh: Mesh, kept: list[Manifest]) -> None:
    wide = https("*", name="wide", secret="second")
    await mesh.apply(documents(gateway("front", wide, https("a.test")), *kept))
    await open_streams(mesh, "b.test")
    count = await replaced(mesh)
    await mesh.apply(documents(gateway("front", wide), *kept))
    assert (await shown(mesh, "a.test")).endswith("second.test")
    assert all_open(await heard(mesh, mesh.ip("ingress/edge"), "b.test"))
    await mesh.apply(documents(gateway("front", wide, https("a.test")), *kept))
    assert (await shown(mesh, "a.test")).endswith("first.test")
    assert all_open(await heard(mesh, mesh.ip("ingress/edge"), "b.test"))
    assert await replaced(mesh) == count
