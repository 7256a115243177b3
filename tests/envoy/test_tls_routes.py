"""TLS routes of VirtualServices: by SNI, with nothing decrypted; services told apart by SNI; what nobody routes."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ca.authority import Authority
from ca.issuer import self_signed
from tests.envoy.connections import tls
from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    documents,
    mesh_config,
    namespace,
    pod,
    service,
    service_entry,
    subsets,
    to,
    virtual_service,
)
from tests.envoy.readable import readable
from xds.testing.answers import likely
from xds.testing.mesh import Mesh

NAME = "secure.shop.svc.cluster.local"
NOWHERE = "198.51.100.9"  # nobody has it: who is reached was chosen by SNI alone
PODS = ("secure-v1", "secure-v2", "far-v3")
BARE = {"sidecar.istio.io/inject": "false"}
TLS = {"number": 443, "name": "tls", "protocol": "TLS", "targetPort": 8443}


@pytest.fixture(scope="module")
def mesh_manifests(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(self_signed(datetime.now(UTC)), "example.com")
    served = authority.issue_server(["any.test"], timedelta(days=1), datetime.now(UTC))
    (folder / "cert.pem").write_bytes(served.certificate_chain)
    (folder / "key.pem").write_bytes(served.private_key)
    readable(folder)
    echo = ["plait", "echo", "--https", "8443", "--tls", str(folder / "cert.pem"), str(folder / "key.pem")]
    return documents(
        namespace("shop"),
        namespace("istio-system", inject=False),
        pod("client", labels={"team": "a"}),
        *(pod(name, ports="https:8443", command=echo, annotations=BARE) for name in PODS),
        service("secure", {"name": "tls", "port": 443, "targetPort": 8443}),
        service("far", {"name": "https", "port": 8443}),
        destination_rule("secure", subsets=subsets("v1", "v2")),
    )  # fmt: skip


def entry(name: str, address: str, **spec: Any) -> Manifest:
    what = {"hosts": [f"{name}.test"], "resolution": "STATIC", "ports": [TLS], "endpoints": [{"address": address}]}
    return service_entry(name, **{**what, **spec})


def match(*sni: str, **more: Any) -> list[Manifest]:
    return [{"sniHosts": list(sni), **more}]


async def test_by_sni_and_weight(mesh: Mesh) -> None:
    routes = [
        {"match": match("a.test"), "route": [to("secure", "v1", 25), to("secure", "v2", 75)]},
        {"match": match(NAME), "route": [to("secure", "v2")]},
    ]
    await mesh.apply(documents(virtual_service(NAME, name="secure", hosts=[NAME, "a.test"], tls=routes)))
    assert set(await tls(mesh, "client", "secure", 443, NAME, 8)) == {"v2"}
    found = Counter(await tls(mesh, "client", "secure", 443, "a.test", 200))
    assert found["v1"] in likely(200, 0.25)


async def test_a_port_without_routes_is_passed_on_whatever_its_sni(mesh: Mesh) -> None:
    assert set(await tls(mesh, "client", "secure", 443, "other.test", 16)) == {"v1", "v2"}
    assert set(await tls(mesh, "client", "secure", 443, "", 16)) == {"v1", "v2"}


async def test_an_sni_that_no_route_names(mesh: Mesh) -> None:
    route = {"match": match(NAME), "route": [to("secure", "v2")]}
    only = virtual_service(NAME, name="secure", tls=[route])
    await mesh.apply(documents(only))
    assert set(await tls(mesh, "client", "secure", 443, "other.test", 16)) == {"v1", "v2"}, "to its address, as dialled"
    await mesh.apply(documents(only, mesh_config(outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})))
    assert await tls(mesh, "client", "secure", 443, "other.test") == [""]
    assert await tls(mesh, "client", "secure", 443, NAME) == ["v2"]


async def test_a_wildcard_and_one_of_its_names(mesh: Mesh) -> None:
    routes = [
        {"match": match("*.wild.test"), "route": [to("secure", "v1")]},
        {"match": match("b.wild.test"), "route": [to("secure", "v2")]},
        {"match": match("*.wild.test"), "route": [to("far")]},
    ]
    await mesh.apply(documents(virtual_service("*.wild.test", name="wild", tls=routes)))
    assert await tls(mesh, "client", NOWHERE, 443, "a.wild.test") == ["v1"]
    assert await tls(mesh, "client", NOWHERE, 443, "b.wild.test") == ["v2"]
    assert await tls(mesh, "client", "far", 8443, "c.wild.test") == ["v3"], "another port is not meant"


async def test_a_host_that_no_service_has_on_a_port_of_choice(mesh: Mesh) -> None:
    route = {"match": match("new.test", port=9443), "route": [to("far")]}
    await mesh.apply(documents(virtual_service("new.test", tls=[route])))
    assert await tls(mesh, "client", NOWHERE, 9443, "new.test") == ["v3"]


async def test_by_address_and_sni(mesh: Mesh) -> None:
    near = match("one.test", destinationSubnets=["198.51.100.0/24"])
    routes = [{"match": near, "route": [to("secure", "v1")]}, {"match": match("one.test"), "route": [to("far")]}]
    await mesh.apply(documents(virtual_service("one.test", tls=routes)))
    assert await tls(mesh, "client", NOWHERE, 443, "one.test") == ["v1"]
    assert await tls(mesh, "client", "203.0.113.9", 443, "one.test") == ["v3"]


async def test_services_without_addresses_by_sni(mesh: Mesh) -> None:
    # The local mesh gives an address of its own to an entry of one host.
    one = entry("one", mesh.ip("secure-v1"), hosts=["one.test", "uno.test"])
    two = entry("two", mesh.ip("secure-v2"), hosts=["two.test", "due.test"])
    await mesh.apply(documents(one, two))
    assert await tls(mesh, "client", NOWHERE, 443, "one.test") == ["v1"]
    assert await tls(mesh, "client", NOWHERE, 443, "two.test") == ["v2"]


async def test_services_of_one_address_by_sni(mesh: Mesh) -> None:
    address = {"addresses": [NOWHERE]}
    one, two = entry("one", mesh.ip("secure-v1"), **address), entry("two", mesh.ip("secure-v2"), **address)
    await mesh.apply(documents(one, two))
    assert await tls(mesh, "client", NOWHERE, 443, "one.test") == ["v1"]
    assert await tls(mesh, "client", NOWHERE, 443, "two.test") == ["v2"]
    assert await tls(mesh, "client", NOWHERE, 443, "") == ["v1"], "the rest is the first one's"
    moved = virtual_service("two.test", tls=[{"match": match("two.test"), "route": [to("far")]}])
    await mesh.apply(documents(one, two, moved))
    assert await tls(mesh, "client", NOWHERE, 443, "two.test") == ["v3"]


async def test_an_edit_of_destinations_touches_no_listener(mesh: Mesh) -> None:
    def routed(*shares: Manifest) -> str:
        route = {"match": match(NAME), "route": list(shares)}
        return documents(virtual_service(NAME, name="secure", tls=[route]))

    await mesh.apply(routed(to("secure", "v1")))
    pattern = r"listener_manager\.(listener_modified|listener_in_place_updated|listener_removed)$"
    before = await mesh.stats("client", pattern)
    for shares in ([to("secure", "v1", 1), to("secure", "v2", 99)], [to("far")], [to("secure", "v2")]):
        await mesh.apply(routed(*shares))
    assert await tls(mesh, "client", "secure", 443, NAME) == ["v2"]
    assert await mesh.stats("client", pattern) == before
