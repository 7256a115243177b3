"""Which listener, and which of its chains, takes a connection: as Envoy looks for them.

Source: envoy-facts, listeners; listener.v3.FilterChainMatch: one criterion after the other, and never back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network

from xds.explain.path.dialled import Dialled
from xds.view.names import VIRTUAL_OUTBOUND, address_listener, wildcard_listener
from xds.view.specs.listeners import Chain, ChainMatch, ListenerSpec, Sniff


def captured_by(listeners: dict[str, ListenerSpec], dialled: Dialled) -> ListenerSpec | None:
    """The listener that a sidecar hands a connection of its application to."""
    tries = (address_listener(dialled.address, dialled.port), wildcard_listener(dialled.port), VIRTUAL_OUTBOUND)
    return next((listeners[name] for name in tries if name in listeners), None)


def opened_on(listeners: Iterable[ListenerSpec], port: int) -> ListenerSpec | None:
    """The listener that a router has on a port of its own, for TCP."""
    return next((each for each in listeners if each.bind and not each.quic and each.port == port), None)


def chain_of(listener: ListenerSpec, dialled: Dialled) -> Chain | None:
    """The chain that takes a connection; None where nothing does, and Envoy closes it."""
    left: list[Chain] = [*listener.chains]
    sni = dialled.sni.lower() if listener.sniff in (Sniff.TLS, Sniff.BOTH) or listener.bind else ""
    transport = "tls" if sni else "raw_buffer"
    spoken = "http/1.1" if not dialled.sni and listener.sniff in (Sniff.HTTP, Sniff.BOTH) else ""
    for rank in (
        lambda match: _equal(match.destination_port, dialled.port, 0),
        lambda match: _subnet(match.prefixes, dialled.address),
        lambda match: _name(match.server_names, sni),
        lambda match: _equal(match.transport, transport, ""),
        lambda match: _protocol(match.application_protocols, spoken),
    ):
        left = _best(left, rank)
    return left[0] if left else listener.fallback


def _best(chains: list[Chain], rank: Callable[[ChainMatch], int]) -> list[Chain]:
    ranked = [(rank(each.match), each) for each in chains]
    best = max((found for found, _ in ranked), default=-1)
    return [each for found, each in ranked if found == best and best >= 0]


def _equal(wanted: object, found: object, anything: object) -> int:
    if wanted == anything:
        return 0
    return 1 if wanted == found else -1


def _subnet(prefixes: tuple[str, ...], address: str) -> int:
    if not prefixes:
        return 0
    if not address:
        return -1
    here = ip_address(address)
    fitting = [net.prefixlen + 1 for each in prefixes if here in (net := ip_network(each, strict=False))]
    return max(fitting, default=-1)


def _name(names: tuple[str, ...], sni: str) -> int:
    if not names:
        return 0
    if sni and sni in names:
        return len(sni) + 2
    suffixes = [len(each) for each in names if sni and each.startswith("*.") and sni.endswith(each[1:])]
    return max(suffixes, default=-1)


def _protocol(protocols: tuple[str, ...], spoken: str) -> int:
    if not protocols:
        return 0
    return 1 if spoken in protocols else -1
