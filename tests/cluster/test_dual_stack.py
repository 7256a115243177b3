"""Injected pods with addresses of both families, where the cluster gives them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.cluster.both_sides import CALLER, CLIENT, IN, SERVER, asked_in_plaintext, both_sides, servers
from tests.cluster.cluster import Cluster
from tests.cluster.plait import installed
from tests.cluster.pods import Json, apply, service

_FAMILIES: Final = {"both": {"ipFamilyPolicy": "RequireDualStack"}, "six": {"ipFamilies": ["IPv6"]}}


@pytest.fixture(scope="module")
def mesh(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with a control plane, and namespaces with and without sidecars."""
    node = cluster.get("nodes")["items"][0]
    if not any(":" in each["address"] for each in node["status"]["addresses"]):
        pytest.skip("the cluster that was given has one address family")
    with installed(cluster), both_sides(cluster):
        apply(cluster, IN, *(_reached(name) for name in _FAMILIES))
        yield cluster


def _reached(name: str) -> Json:
    made = service("server", 8080)
    made["metadata"] = {"name": name}
    made["spec"] |= _FAMILIES[name]
    return made


def _urls(mesh: Cluster, name: str) -> list[str]:
    """A Service by its name, and by each of its addresses."""
    addresses = mesh.get("service", name, IN)["spec"]["clusterIPs"]
    return [f"http://{name}.{IN}/", *(f"http://[{each}]/" if ":" in each else f"http://{each}/" for each in addresses)]


def _own(mesh: Cluster) -> list[str]:
    """The addresses of one of the server's pods, as in URLs."""
    name = min(servers(mesh))
    found = [each["ip"] for each in mesh.get("pod", name, IN)["status"]["podIPs"]]
    return [f"[{each}]" if ":" in each else each for each in found]


@pytest.mark.parametrize("name", ["server", *_FAMILIES])
def test_a_service_answers_by_each_of_its_addresses(mesh: Cluster, name: str) -> None:
    urls = _urls(mesh, name)
    assert len(urls) == (3 if name == "both" else 2)
    for url in urls:
        answer = mesh.fetch(url, CLIENT, IN, "shell")
        assert f"URI=spiffe://cluster.local/ns/{IN}/sa/default" in answer["headers"][CALLER], url


def test_who_has_no_identity_gets_in_by_none_of_them(mesh: Cluster) -> None:
    own = _own(mesh)
    assert len(own) == 2
    for address in own:
        assert asked_in_plaintext(mesh, f"http://{address}:8080/") == "none", address
        assert asked_in_plaintext(mesh, f"http://{address}:15021/healthz/ready") == "200", address
    assert asked_in_plaintext(mesh, SERVER) == "none"
