"""Into which chain of the inbound listener each kind of connection comes, by a model of how Envoy chooses.

Envoy enters the most specific branch at each stage (port, transport protocol, application protocol) and never comes
back: a dead end is the listener's fallback, which knows nothing of the port's mode.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final, NamedTuple

import pytest

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.view import names
from xds.view.graph import Graph, call
from xds.view.inbound import Offer, inbound_ports
from xds.view.inbound_listener import virtual_inbound
from xds.view.specs.listeners import Chain, ChainMatch, HttpChain, ListenerSpec, Sniff, TcpChain

PORTS: Final = {"http": 8080, "grpc": 9090, "tcp": 70, "auto": 60}
SERVICE: Final = """
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},
 spec: {clusterIP: 10.96.0.1, selector: {app: web},
  ports: [{name: http, port: 8080}, {name: grpc, port: 9090}, {name: tcp, port: 70}, {name: what, port: 60}]}}
"""
MODES: Final = ("DISABLE", "PERMISSIVE", "STRICT")
OFFER: Final = Offer("shop", labels({"app": "web"}), "", Identity.ADS)


class Connection(NamedTuple):
    """What a client sends first: TLS with an ALPN offer, or plaintext that http_inspector calls ``spoken``."""

    tls: bool
    alpn: tuple[str, ...] = ()
    spoken: str = ""


MESH_HTTP: Final = (
    Connection(True, ("istio-http/1.1", "istio")),
    Connection(True, ("istio-h2", "istio")),
    Connection(True, ("istio-http/1.1", "istio-h2", "istio")),
    Connection(True, ("istio-http/1.0", "istio", "http/1.0")),
)
MESH_TCP: Final = (Connection(True, ("istio",)), Connection(True, ("istio-peer-exchange", "istio")))
OTHER_TLS: Final = (
    Connection(True),
    Connection(True, ("h2", "http/1.1")),
    Connection(True, ("http/1.1",)),
    Connection(True, ("h2c",)),
    Connection(True, ("postgresql",)),
)
RAW_HTTP: Final = tuple(Connection(False, spoken=spoken) for spoken in ("http/1.0", "http/1.1", "h2c"))
RAW: Final = (Connection(False),)
KINDS: Final = {"mesh-http": MESH_HTTP, "mesh-tcp": MESH_TCP, "tls": OTHER_TLS, "raw-http": RAW_HTTP, "raw": RAW}


def chosen(spec: ListenerSpec, port: int, connection: Connection) -> Chain | None:
    """The chain that Envoy takes; None is the fallback. Source: exp-facts 1, tried with Envoy 1.40."""
    for_tls = spec.sniff in (Sniff.TLS, Sniff.BOTH) and (not spec.sniffed_ports or port in spec.sniffed_ports)
    for_http = spec.sniff in (Sniff.HTTP, Sniff.BOTH) and (
        not spec.http_sniffed_ports or port in spec.http_sniffed_ports
    )
    transport, protocols = "raw_buffer", tuple[str, ...]()
    if for_tls and connection.tls:
        transport, protocols = "tls", connection.alpn
    elif for_http and not connection.tls and connection.spoken:
        protocols = (connection.spoken,)
    found = _branch(spec.chains, [port, 0], lambda match: (match.destination_port,))
    found = _branch(found, [transport, ""], lambda match: (match.transport,))
    found = _branch(found, [*protocols, ""], lambda match: match.application_protocols or ("",))
    assert len(found) < 2, "two chains of one match: Envoy refuses the listener"
    return found[0] if found else None


def _branch(chains: Iterable[Chain], wanted: list[object], of: object) -> list[Chain]:
    assert callable(of)
    for value in wanted:
        inside = [chain for chain in chains if value in of(chain.match)]
        if inside:
            return inside
    return []


def outcome(chain: Chain, connection: Connection) -> str:
    """What becomes of a connection in a chain, in words."""
    if isinstance(chain.content, TcpChain) and chain.content.clusters[0].cluster == names.BLACK_HOLE:
        return "black hole"
    content = "http" if isinstance(chain.content, HttpChain) else "tcp"
    assert chain.guard is not None
    assert chain.guard.plaintext is (chain.tls is None), "callers are counted by what they prove"
    if chain.tls is None:
        return f"plain {content}"
    return f"proven {content}" if connection.tls else "no handshake"


def intended(mode: str, declared: str, kind: str) -> str:
    """What the documentation promises."""
    is_http = declared in ("http", "grpc")
    by_bytes = "http" if is_http or (declared == "auto" and kind in ("mesh-http", "raw-http")) else "tcp"
    if mode == "DISABLE":  # TLS is for the application, if it is for anybody
        return "plain tcp" if declared == "auto" and kind != "raw-http" else f"plain {by_bytes}"
    if kind.startswith("mesh"):
        return f"proven {by_bytes}"
    if mode == "STRICT":
        return f"proven {'http' if is_http else 'tcp'}" if kind == "tls" else "no handshake"
    if kind == "tls":
        return "black hole" if is_http else "plain tcp"
    return f"plain {by_bytes}"


def policy(mode: str, ports: dict[int, str] | None = None) -> str:
    levels = ", ".join(f'"{port}": {{mode: {each}}}' for port, each in (ports or {}).items())
    return f"""
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: p, namespace: shop}}
spec: {{selector: {{matchLabels: {{app: web}}}}, mtls: {{mode: {mode}}}, portLevelMtls: {{{levels}}}}}
"""


def listener(text: str, identity: Identity = Identity.ADS) -> ListenerSpec:
    graph = Graph(applied(Builder(), written(text)).snapshot)
    offer = OFFER._replace(identity=identity)
    (spec,) = graph.get(call(virtual_inbound, offer, graph.get(call(inbound_ports, offer))))
    assert isinstance(spec, ListenerSpec)
    for chain in spec.chains:
        assert chain.match == ChainMatch(
            chain.match.destination_port,
            transport=chain.match.transport,
            application_protocols=chain.match.application_protocols,
        ), "the model knows these stages only"
    return spec


def connections() -> Iterator[tuple[str, Connection]]:
    for kind, each in KINDS.items():
        for connection in each:
            yield kind, connection


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("declared", PORTS)
@pytest.mark.parametrize("of_port", [False, True], ids=["mode of the workload", "mode of the port"])
def test_each_kind_of_connection_comes_where_it_should(mode: str, declared: str, of_port: bool) -> None:
    port = PORTS[declared]
    for others in MODES if of_port else (mode,):
        spec = listener(SERVICE + policy(others, {port: mode} if of_port else None))
        for kind, connection in connections():
            chain = chosen(spec, port, connection)
            assert chain is not None, f"{connection} falls out of the chains of a declared port"
            assert outcome(chain, connection) == intended(mode, declared, kind), (kind, connection, chain.name)


@pytest.mark.parametrize("modes", list(product(MODES, repeat=4)), ids="-".join)
def test_no_mix_of_modes_lets_a_connection_fall_out(modes: tuple[str, ...]) -> None:
    spec = listener(SERVICE + policy("PERMISSIVE", dict(zip(PORTS.values(), modes, strict=True))))
    for (declared, port), mode in zip(PORTS.items(), modes, strict=True):
        for kind, connection in connections():
            chain = chosen(spec, port, connection)
            assert chain is not None
            assert outcome(chain, connection) == intended(mode, declared, kind), (declared, mode, connection)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("declared", PORTS)
def test_a_proxy_without_identity_is_plaintext_or_closed(mode: str, declared: str) -> None:
    spec = listener(SERVICE + policy(mode), Identity.NONE)
    for kind, connection in connections():
        chain = chosen(spec, PORTS[declared], connection)
        assert chain is not None
        wanted = intended("STRICT" if mode == "STRICT" else "DISABLE", declared, kind)
        assert outcome(chain, connection) == wanted


@pytest.mark.parametrize(("of_workload", "of_port"), [*product(MODES, repeat=2)])
def test_a_port_that_no_service_declares_is_strict_where_it_is_said_to_be(of_workload: str, of_port: str) -> None:
    spec = listener(SERVICE + policy(of_workload, {1234: of_port}))
    for kind, connection in connections():
        for port, mode in ((1234, of_port), (4321, of_workload)):
            chain = chosen(spec, port, connection) or spec.fallback
            assert chain is not None
            closed = "proven tcp" if connection.tls else "no handshake"
            assert outcome(chain, connection) == (closed if mode == "STRICT" else "plain tcp"), (kind, port)


@pytest.mark.parametrize("mode", MODES)
def test_connections_really_for_the_sidecars_ports_go_nowhere(mode: str) -> None:
    spec = listener(SERVICE + policy(mode, dict.fromkeys((15001, 15006), mode)))
    for (_, connection), port in product(connections(), (15001, 15006)):
        chain = chosen(spec, port, connection)
        assert chain is not None
        assert outcome(chain, connection) == "black hole"


@pytest.mark.parametrize("declared", PORTS)
def test_the_chains_of_the_mesh_are_the_same_whether_others_may_come_too(declared: str) -> None:
    made = [listener(SERVICE + policy(mode)).chains for mode in ("PERMISSIVE", "STRICT")]
    permissive, strict = ({chain.name: chain for chain in chains if chain.tls} for chains in made)
    prefix = f"{names.wildcard_listener(PORTS[declared])}-mtls"
    assert {name for name in permissive if name.startswith(prefix)}
    assert {n: c for n, c in permissive.items() if n.startswith(prefix)} == {
        n: c for n, c in strict.items() if n.startswith(prefix)
    }
