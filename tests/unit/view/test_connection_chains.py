"""Which chain takes a connection: a model of Envoy's matching, which never goes back, against what is claimed."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.view.connection_chains import Chains, Claim, told_apart
from xds.view.specs.listeners import Chain, FoundChain, HttpChain

HTTP = HttpChain("p", "80")
SUBNETS = ("", "10.0.0.0/8", "10.1.0.0/16", "10.1.1.1", "10.1.1.1/32", "fd00::/8", "0.0.0.0/0", "::/0")
NAMES = ("", "*", "a.x", "*.x")


def claim(subnet: str, sni: str) -> Claim:
    return Claim(subnet, sni, f"{subnet or 'any'} {sni or 'rest'}")


def taken(chains: Chains, address: str, sni: str, speaks: str) -> str:
    """Who has a connection, as Envoy decides it: address, then server name, then transport, then protocol."""
    here = ip_address(address)

    def width(chain: Chain) -> int:
        nets = [ip_network(prefix) for prefix in chain.match.prefixes]
        return max((net.prefixlen for net in nets if here in net), default=-1 if nets else 0)

    best = max((width(each) for each in chains.chains), default=-1)
    left = [each for each in chains.chains if width(each) == best >= 0]
    for names in ((sni,), (f"*.{sni.partition('.')[2]}",), ()):
        found = [each for each in left if each.match.server_names == names]
        if found:
            left = found
            break
    else:
        return name(chains.rest)
    transport = "tls" if speaks == "tls" else "raw_buffer"
    left = [each for each in left if each.match.transport == transport] or [
        each for each in left if not each.match.transport
    ]
    protocol = "http/1.1" if speaks == "http" else ""
    left = [each for each in left if protocol in each.match.application_protocols] or [
        each for each in left if not each.match.application_protocols
    ]
    return name(left[0]) if left else name(chains.rest)


def name(chain: Chain | None) -> str:
    assert chain is not None, "nobody takes it"
    return chain.content.name if isinstance(chain.content, FoundChain) else "http"


ALL = tuple(claim(*each) for each in (("10.0.0.0/8", ""), ("10.1.0.0/16", "a.x"), ("", "a.x"), ("", "*.x")))
TAKEN = {
    ("10.2.0.1", "", "raw"): "10.0.0.0/8 rest",
    ("10.2.0.1", "a.x", "tls"): "10.0.0.0/8 rest",
    ("10.1.0.1", "a.x", "tls"): "10.1.0.0/16 a.x",
    ("10.1.0.1", "b.x", "tls"): "10.0.0.0/8 rest",
    ("10.1.0.1", "", "http"): "10.0.0.0/8 rest",
    ("9.0.0.1", "a.x", "tls"): "any a.x",
    ("9.0.0.1", "b.x", "tls"): "any *.x",
    ("9.0.0.1", "", "http"): "http",
    ("9.0.0.1", "c.y", "tls"): "outbound-unknown",
    ("9.0.0.1", "", "raw"): "outbound-unknown",
}


@pytest.mark.parametrize(("address", "sni", "speaks"), TAKEN)
def test_who_has_a_connection(address: str, sni: str, speaks: str) -> None:
    assert taken(told_apart(80, ALL, HTTP), address, sni, speaks) == TAKEN[address, sni, speaks]


def test_all_addresses_go_before_the_rest() -> None:
    chains = told_apart(80, (claim("0.0.0.0/0", ""), claim("", "")), None)
    assert taken(chains, "10.1.0.1", "", "raw") == "0.0.0.0/0 rest"
    assert taken(chains, "fd00::1", "", "raw") == "any rest"


def test_a_narrow_subnet_has_the_http_of_all_addresses() -> None:
    chains = told_apart(80, (claim("10.1.0.0/16", "a.x"),), HTTP)
    assert taken(chains, "10.1.0.1", "", "http") == "http"
    assert taken(chains, "10.1.0.1", "b.x", "tls") == "outbound-unknown"


@given(st.lists(st.builds(claim, st.sampled_from(SUBNETS), st.sampled_from(NAMES)), max_size=8), st.booleans())
def test_no_two_chains_have_one_match_or_one_name(claims: list[Claim], http: bool) -> None:
    chains = told_apart(80, tuple(claims), HTTP if http else None)
    every = every_chain(chains)
    assert len({each.name for each in every}) == len(every)
    assert len({each.match for each in every}) == len(every)


@given(st.lists(st.builds(claim, st.sampled_from(SUBNETS), st.sampled_from(NAMES)), max_size=8), st.booleans())
def test_all_connections_are_taken_whoever_matches(claims: list[Claim], http: bool) -> None:
    chains = told_apart(80, (*claims, claim("", "")), HTTP if http else None)
    assert (chains.rest is not None) is http
    for address in ("10.1.1.1", "10.2.0.1", "9.0.0.1", "fd00::1"):
        for sni, speaks in (("", "raw"), ("", "http"), ("", "tls"), ("a.x", "tls"), ("b.x", "tls"), ("c.y", "tls")):
            assert taken(chains, address, sni, speaks)


@given(st.lists(st.builds(claim, st.sampled_from(SUBNETS), st.sampled_from(NAMES)), max_size=8))
def test_the_rest_stays_when_others_go_and_the_listener_with_it(claims: list[Claim]) -> None:
    """Envoy replaces a listener whole that comes to have no chain but a default one."""
    alone = told_apart(80, (claim("", ""),), None)
    assert alone.chains
    assert set(every_chain(alone)) <= set(every_chain(told_apart(80, (claim("", ""), *claims), None)))


def every_chain(chains: Chains) -> list[Chain]:
    return [*chains.chains, *([chains.rest] if chains.rest is not None else [])]
