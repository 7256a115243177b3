"""Gateways on one router: what they share, who wins, and who is to blame for what is made of them."""

from __future__ import annotations

import pytest

from tests.objects import applied, made, written
from xds.decoders.build import Builder
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.snapshot import Snapshot
from xds.view.gateway.edge_ports import PortKind, merged
from xds.view.graph import Graph, Read, call
from xds.view.proxy_view import proxy_view
from xds.view.specs.listeners import ListenerSpec
from xds.view.specs.routes import VirtualHostSpec

MUTUAL = {"mode": "ISTIO_MUTUAL"}


def gateway(name: str, port: int, protocol: str, *hosts: str, created: int = 1, **more: object) -> dict[str, object]:
    metadata = {"name": name, "namespace": "shop", "creationTimestamp": f"2026-01-0{created}T00:00:00Z"}
    server = {"port": {"number": port, "name": "p", "protocol": protocol}, "hosts": list(hosts), **more}
    return {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": metadata,
            "spec": {"servers": [server]}}  # fmt: skip


def ref(name: str) -> ObjectRef:
    return ObjectRef("networking.istio.io", "Gateway", "shop", name)


def merging(*gateways: dict[str, object], ports: tuple[tuple[int, int], ...] = ()) -> tuple[list[str], list[str]]:
    """The ports as ``number kind gateway:hosts``, and what is lost as ``gateway -> winner``."""
    snapshot = applied(Builder(), [made(each) for each in gateways]).snapshot
    names = tuple(ref(each["metadata"]["name"]) for each in gateways)  # type: ignore[index]

    def ask(read: Read) -> tuple[list[str], list[str]]:
        found = merged(read, names, ports)
        shown = [
            f"{port.bind}{port.number} {port.kind.name} "
            + " ".join(f"{at.gateway.name}:{','.join(h.host for h in at.server.hosts)}" for at in port.servers)
            for port in found.ports
        ]
        return shown, [f"{each.placed.gateway.name} -> {each.winner.name}" for each in found.lost]

    result: tuple[list[str], list[str]] = Graph(snapshot).get(call(ask))
    return result


def test_plain_http_is_shared_whoever_has_a_host() -> None:
    shown, lost = merging(gateway("a", 80, "HTTP", "x.test"), gateway("b", 80, "GRPC", "x.test"))
    assert (shown, lost) == (["80 HTTP a:x.test b:x.test"], [])


def test_a_host_of_two_tls_servers_is_the_firsts_and_the_rest_of_the_other_stays() -> None:
    shown, lost = merging(
        gateway("a", 443, "HTTPS", "x.test", tls=MUTUAL), gateway("b", 443, "HTTPS", "x.test", "y.test", tls=MUTUAL)
    )
    assert (shown, lost) == (["443 TLS a:x.test b:y.test"], ["b -> a"])


def test_a_port_is_of_one_kind() -> None:
    shown, lost = merging(gateway("a", 80, "TCP", "*"), gateway("b", 80, "HTTP", "*"), gateway("c", 80, "TCP", "*"))
    assert (shown, lost) == ([f"80 {PortKind.TCP.name} a:*"], ["b -> a", "c -> a"])


def test_services_say_where_a_port_is_and_addresses_keep_ports_apart() -> None:
    shown, lost = merging(
        gateway("a", 80, "HTTP", "*"), gateway("b", 80, "TCP", "*", bind="10.0.0.1"), ports=((80, 8080),)
    )
    assert (shown, lost) == (["8080 HTTP a:*", "10.0.0.18080 TCP b:*"], [])


ROUTED = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: NAME, namespace: shop}
spec: {hosts: [NAME.test], gateways: [front], http: [{route: [{destination: {host: web}}]}]}
"""


def snapshot_of(*names: str) -> Snapshot:
    objects = [made(gateway("front", 80, "HTTP", "*")), *(o for n in names for o in written(ROUTED.replace("NAME", n)))]
    return applied(Builder(), objects).snapshot


def test_the_author_of_a_host_is_who_routes_it() -> None:
    graph = Graph(snapshot_of("one", "two"))
    proxy = Proxy("edge", "router", "shop", "edge-1", labels({}))
    authors = {}
    for root in graph.get(call(proxy_view, proxy)):
        for group in graph.get(root):
            for leaf in graph.get(group):
                for spec in graph.get(leaf):
                    if isinstance(spec, VirtualHostSpec):
                        authors[spec.domains] = {each.name for each in graph.provenance(leaf)}
    assert authors == {("one.test",): {"one"}, ("two.test",): {"two"}}


RIVALS = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: elder, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  selector: {istio: edge}
  servers: [{port: {number: 443, name: tls, protocol: TLS}, hosts: [a.test], tls: {mode: ELDER}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: younger, namespace: evil, creationTimestamp: "2026-01-02T00:00:00Z"}
spec:
  selector: {istio: edge}
  servers: [{port: {number: 443, name: tls, protocol: YOUNGER}, hosts: [a.test], tls: {mode: ISTIO_MUTUAL}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: passed, namespace: shop}
spec:
  hosts: [a.test]
  gateways: [elder]
  tls: [{match: [{sniHosts: [a.test]}], route: [{destination: {host: web, port: {number: 443}}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.0.0.1, ports: [{port: 443, name: tls}]}
"""


@pytest.mark.parametrize(("elder", "younger"), [("PASSTHROUGH", "HTTPS"), ("PASSTHROUGH", "TLS")])
def test_nobody_ends_the_tls_of_a_name_that_an_older_gateway_passes_on(elder: str, younger: str) -> None:
    objects = written(RIVALS.replace("ELDER", elder).replace("YOUNGER", younger))
    graph = Graph(applied(Builder(), objects).snapshot)
    labelled = labels({"istio": "edge"})
    proxy = Proxy("edge", "router", "ingress", "edge-1", labelled, service_account="edge", identity=Identity.ADS)
    groups = (group for root in graph.get(call(proxy_view, proxy)) for group in graph.get(root))
    specs = [spec for group in groups for leaf in graph.get(group) for spec in graph.get(leaf)]
    chains = [chain for spec in specs if isinstance(spec, ListenerSpec) for chain in spec.chains]
    assert [(each.name, each.tls) for each in chains if each.match.server_names == ("a.test",)] == [
        ("tcp.443/a.test", None)
    ]
