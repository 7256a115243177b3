"""The chains of an outbound listener: whose connections are told apart by their address and SNI, and the rest."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Final, NamedTuple

from xds.model.service import ServiceKey
from xds.view import names
from xds.view.specs.listeners import Chain, ChainMatch, FoundChain, HttpChain

_ALL: Final = ChainMatch()
ANY_TLS: Final = "*"  # the SNI of all TLS connections
PLAIN_HTTP: Final = ("http/1.0", "http/1.1", "h2c")
_HTTP: Final = "\0http"  # no SNI


class Claim(NamedTuple):
    """Connections to a port that are a service's: to some addresses, with an SNI; ``""`` is any.

    ``name`` is that of where they go; ``resolves`` and ``offers`` are as in ``FoundChain``; ``service`` is None where
    only a VirtualService says it.
    """

    subnet: str
    sni: str
    name: str
    resolves: int = 0
    service: ServiceKey | None = None
    offers: bool = False


class Chains(NamedTuple):
    """The chains of a listener, and the one that takes what none of them matches; None where one matches all."""

    chains: tuple[Chain, ...]
    rest: Chain | None = None


def unknown_chain(name: str) -> Chain:
    """The chain of connections to places that the caller does not know."""
    return Chain(name, _ALL, FoundChain(names.UNKNOWN))


def told_apart(port: int, claims: tuple[Claim, ...], http: HttpChain | None) -> Chains:
    """The chains of what is claimed on a port, and of HTTP; what nobody claims is unknown.

    Envoy never goes back from a branch that it has entered, and addresses come first: what is not claimed of a subnet
    is taken as in the next wider one.
    """
    taken: dict[str, dict[str, Claim | HttpChain]] = {"": {}}
    for claim in claims:
        subnet = str(ip_network(claim.subnet)) if claim.subnet else ""  # an address is one of its own
        taken.setdefault(subnet, {}).setdefault(claim.sni, claim)
    if http is not None:
        taken[""][_HTTP] = http
    for subnet in sorted(taken, key=_width):
        if subnet and "" not in taken[subnet]:
            taken[subnet] = taken[_wider(subnet, taken)] | taken[subnet]
    rest = taken[""].pop("", None)
    chains = [
        _chain(port, subnet, sni, taken[subnet][sni]) for subnet in sorted(taken) for sni in sorted(taken[subnet])
    ]
    if rest is None:
        return Chains(tuple(chains), unknown_chain("PassthroughFilterChain"))
    last = _chain(port, "", "", rest)
    if http is not None:  # what is not HTTP has entered a branch of HTTP's, with no way back
        return Chains(tuple(chains), last)
    # Envoy replaces a listener whole that comes to have none but a default chain: the last stays when others go.
    return Chains((*chains, last))


def _width(subnet: str) -> int:
    return ip_network(subnet).prefixlen if subnet else -1


def _wider(subnet: str, among: dict[str, dict[str, Claim | HttpChain]]) -> str:
    here = ip_network(subnet)
    wider = [each for each in among if each and each != subnet and _within(here, ip_network(each))]
    return max(wider, key=_width, default="")


def _within(narrow: object, wide: object) -> bool:
    return type(narrow) is type(wide) and narrow.subnet_of(wide)  # type: ignore[attr-defined]


def _prefixes(subnet: str) -> tuple[str, ...]:
    """The subnet; all addresses in two halves, as to Envoy a chain without a subnet has the very match of 0.0.0.0/0."""
    network = ip_network(subnet)
    return (subnet,) if network.prefixlen else tuple(map(str, network.subnets()))


def _chain(port: int, subnet: str, sni: str, content: Claim | HttpChain) -> Chain:
    prefixes = _prefixes(subnet) if subnet else ()
    where = f"-subnet-{subnet}" if subnet else ""
    if isinstance(content, HttpChain):
        match = ChainMatch(transport="raw_buffer", application_protocols=PLAIN_HTTP, prefixes=prefixes)
        return Chain(f"http{where}-{port}", match, content)
    found = FoundChain(content.name, content.offers, content.resolves)
    if sni:
        server_names = () if sni == ANY_TLS else (sni,)
        match = ChainMatch(transport="tls", server_names=server_names, prefixes=prefixes)
        return Chain(f"sni-{sni}{where}-{port}", match, found)
    if subnet:
        return Chain(f"subnet-{subnet}-{port}", ChainMatch(prefixes=prefixes), found)
    return Chain(f"tcp-{port}", _ALL, found)
