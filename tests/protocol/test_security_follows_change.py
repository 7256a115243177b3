"""Policies, modes and certificates on the streams of a mesh: a change reaches whom it is for; nothing else moves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.objects import applied, made
from tests.protocol.clients import DeltaClient, delta
from tests.security_histories import JWKS
from tests.unit.view.security_meshes import TARGETS, WEB, behind, peer_authentication, pod, service
from xds.decoders.build import Builder
from xds.model.filters import FilterSlot
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.object import Object
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef, Origin
from xds.model.security import KeySet
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.view.names import AUTHORITIES, CERTIFICATE
from xds.wire.protobuf import text
from xds.wire.resource import Resource, ResourceSet, Table
from xds.wire.type_urls import CLUSTER, ENDPOINT, EXTENSION, LISTENER, ROUTE, SECRET, VIRTUAL_HOST

PROXIES = [
    Proxy(f"{namespace}-{app}-{n}", namespace=namespace, labels=labels({"app": app}), identity=Identity.ADS)
    for namespace, app, n in [("shop", "web", 0), ("shop", "web", 1), ("shop", "db", 0), ("far", "web", 0)]
]
WEBS, OTHERS = PROXIES[:2], PROXIES[2:]
SLOTS = [slot.resource(tcp=tcp) for slot in FilterSlot for tcp in (False, True) if not (tcp and slot.http_only)]
CLUSTERS = {f"outbound|{port}||{WEB}" for port in (80, 90, 70, 60)}
Sent = dict[str, list[tuple[str, str]]]


def certificate(proxy: Proxy, serial: int) -> Table:
    """A proxy's own certificate, as far as streams look at it."""
    return Table([Resource(SECRET, CERTIFICATE, text(1, CERTIFICATE) + text(15, f"{proxy.id}-{serial}"))])


def authorization(method: str, action: str = "ALLOW") -> dict[str, Any]:
    spec = {"action": action, "selector": {"matchLabels": {"app": "web"}}}
    rules = [{"to": [{"operation": {"methods": [method]}}]}]
    metadata = {"name": "who", "namespace": "shop"}
    kind = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy"}
    return {**kind, "metadata": metadata, "spec": {**spec, "rules": rules}}


class Mesh:
    """The pipeline, and the streams of its proxies with their certificates, all brought up to date."""

    def __init__(self) -> None:
        self.builder = Builder()
        first = [service(), behind("10.1.0.1"), pod("10.1.0.1"), peer_authentication("PERMISSIVE", app="web")]
        self.pipeline = Pipeline(applied(self.builder, map(made, first)).snapshot)
        self.believed = Table([Resource(SECRET, AUTHORITIES, text(1, AUTHORITIES))])
        self.certificates = {proxy: certificate(proxy, 0) for proxy in PROXIES}
        self.served = {proxy: at_once(self.pipeline.connect(proxy)) for proxy in PROXIES}
        self.clients = {proxy: delta(self._whole(proxy)) for proxy in PROXIES}
        for client in self.clients.values():
            _ask(client)

    def change(self, *objects: dict[str, Any] | Object[Any], gone: tuple[ObjectRef, ...] = ()) -> Sent:
        """Apply a change; what each proxy was sent for it, as (type, name)."""
        every = [each if isinstance(each, Object) else made(each) for each in objects]
        changed = at_once(self.pipeline.advance(applied(self.builder, every, gone)))
        self.served |= changed
        return self.offer(*changed)

    def offer(self, *proxies: Proxy) -> Sent:
        """Offer these proxies all that is theirs; what each proxy was sent for it."""
        for proxy in proxies:
            self.clients[proxy].stream.offer(self._whole(proxy))
        return {proxy.id: _sent(self.clients[proxy]) for proxy in PROXIES}

    def _whole(self, proxy: Proxy) -> ResourceSet:
        served = self.served[proxy]
        return ResourceSet({**served.layers, SECRET: (*served.of(SECRET), self.believed, self.certificates[proxy])})


def _ask(client: DeltaClient) -> None:
    client.request(CLUSTER)
    client.settle()
    client.request(ENDPOINT, [name for name in client.held[CLUSTER] if name.startswith("outbound|")])
    client.request(LISTENER)
    client.request(SECRET, [CERTIFICATE, AUTHORITIES])
    client.request(EXTENSION, SLOTS)
    client.request(ROUTE, ["80", "90"])
    client.settle()
    client.request(VIRTUAL_HOST)
    client.settle()
    assert set(client.held[EXTENSION]) == set(SLOTS)
    assert set(client.held[SECRET]) == {CERTIFICATE, AUTHORITIES}


def _sent(client: DeltaClient) -> list[tuple[str, str]]:
    responses = client.settle()
    found = [(each.type_url, named.name) for each in responses for named in each.resources]
    return found + [(each.type_url, f"-{name}") for each in responses for name in each.removed_resources]


def to(proxies: list[Proxy], *expected: tuple[str, str]) -> dict[str, set[tuple[str, str]]]:
    """Exactly these to exactly those."""
    return {proxy.id: set(expected) if proxy in proxies else set() for proxy in PROXIES}


def sets(sent: Sent) -> dict[str, set[tuple[str, str]]]:
    """What was sent, each once."""
    assert all(len(each) == len(set(each)) for each in sent.values()), "sent twice"
    return {name: set(each) for name, each in sent.items()}


@pytest.fixture
def mesh() -> Mesh:
    return Mesh()


def test_an_edited_policy_is_one_filter_to_those_it_selects(mesh: Mesh) -> None:
    allow = (EXTENSION, "authorization-allow")
    assert sets(mesh.change(authorization("GET"))) == to(WEBS, allow, (EXTENSION, "authorization-allow-tcp"))
    assert sets(mesh.change(authorization("POST"))) == to(WEBS, allow)


def test_a_policy_of_one_workload_makes_nothing_new_for_others(mesh: Mesh) -> None:
    before = {proxy: mesh.served[proxy] for proxy in OTHERS}
    mesh.change(authorization("GET"))
    mesh.change(peer_authentication("STRICT", app="web"))
    assert {proxy: mesh.served[proxy] for proxy in OTHERS} == before
    assert all(mesh.served[proxy] is before[proxy] for proxy in OTHERS)


def test_strict_is_the_listener_of_the_workload_alone(mesh: Mesh) -> None:
    own = (LISTENER, "virtualInbound")
    assert sets(mesh.change(peer_authentication("STRICT", app="web"))) == to(WEBS, own)
    assert sets(mesh.change(peer_authentication("PERMISSIVE", app="web"))) == to(WEBS, own)


def test_no_mutual_tls_on_a_port_is_that_ports_endpoints_to_callers(mesh: Mesh) -> None:
    policy = peer_authentication("PERMISSIVE", {TARGETS["http"]: "DISABLE"}, app="web")
    sent = sets(mesh.change(policy))
    endpoints = (ENDPOINT, f"outbound|80||{WEB}")
    own = (LISTENER, "virtualInbound")
    assert sent == {proxy.id: {endpoints, own} if proxy in WEBS else {endpoints} for proxy in PROXIES}


def test_a_policy_that_says_what_holds_already_is_sent_to_nobody(mesh: Mesh) -> None:
    assert sets(mesh.change(peer_authentication("PERMISSIVE", namespace="istio-system"))) == to([])
    assert sets(mesh.change(peer_authentication("PERMISSIVE", name="n"))) == to([])


def test_a_pod_of_a_known_account_changes_endpoints_and_no_cluster(mesh: Mesh) -> None:
    sent = sets(mesh.change(behind("10.1.0.1", "10.1.0.2"), pod("10.1.0.2")))
    assert sent == to(PROXIES, *((ENDPOINT, name) for name in CLUSTERS))


def test_a_pod_of_another_account_is_a_name_more_to_believe(mesh: Mesh) -> None:
    sent = sets(mesh.change(behind("10.1.0.1", "10.1.0.2"), pod("10.1.0.2", account="other")))
    assert sent == to(PROXIES, *((kind, name) for kind in (CLUSTER, ENDPOINT) for name in CLUSTERS))


def test_a_rotated_certificate_goes_to_one_stream(mesh: Mesh) -> None:
    mesh.certificates[WEBS[0]] = certificate(WEBS[0], 1)
    assert sets(mesh.offer(*PROXIES)) == to(WEBS[:1], (SECRET, CERTIFICATE))


def test_rotated_authorities_go_to_all_and_nothing_else_with_them(mesh: Mesh) -> None:
    mesh.believed = Table([Resource(SECRET, AUTHORITIES, text(1, AUTHORITIES) + text(15, "new"))])
    assert sets(mesh.offer(*PROXIES)) == to(PROXIES, (SECRET, AUTHORITIES))


def test_keys_that_arrive_go_to_those_who_check_tokens_with_them(mesh: Mesh) -> None:
    uri, tokens = "https://one.example/keys", (EXTENSION, "request-authentication")
    policy = authorization("GET")
    policy |= {"kind": "RequestAuthentication"}
    policy["spec"] = {"selector": policy["spec"]["selector"]}
    policy["spec"]["jwtRules"] = [{"issuer": "https://one.example", "jwksUri": uri}]
    keys = Object(ObjectRef("keys.plait", "KeySet", "", uri), KeySet(uri, JWKS), Origin(uri))
    assert sets(mesh.change(policy)) == to(WEBS, tokens)
    assert sets(mesh.change(keys)) == to(WEBS, tokens)
    assert sets(mesh.change(keys)) == to([])
