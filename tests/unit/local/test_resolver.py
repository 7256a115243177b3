"""The DNS server, asked in wire form, with a resolver of our own as its upstream."""

from __future__ import annotations

import dns.message
import dns.rcode
import pytest

from xds.local.names import ClusterNames
from xds.local.resolver import Resolver, host_resolvers
from xds.local.services import HostAddresses, LocalService

MANY = tuple(f"10.77.1.{n}" for n in range(1, 200))
TABLE = ClusterNames(
    [LocalService("shop", "web", ("10.96.0.1",)), LocalService("shop", "out", external_name="api.example.com")],
    [HostAddresses("api.example.com", ("10.96.0.9",)), HostAddresses("many.example.com", MANY)],
)


async def ask(name: str, kind: str = "A", *, stream: bool = False) -> dns.message.Message:
    wire = await Resolver(TABLE, ()).answer(dns.message.make_query(name, kind).to_wire(), stream=stream)
    assert wire is not None
    return dns.message.from_wire(wire)


def records(reply: dns.message.Message) -> list[str]:
    return sorted(f"{dns.rdatatype.to_text(rrset.rdtype)} {item}" for rrset in reply.answer for item in rrset)


@pytest.mark.parametrize(
    ("name", "kind", "code", "wanted"),
    [
        ("web.shop.svc.cluster.local", "A", dns.rcode.NOERROR, ["A 10.96.0.1"]),
        ("WEB.Shop.svc.cluster.LOCAL", "A", dns.rcode.NOERROR, ["A 10.96.0.1"]),
        ("web.shop.svc.cluster.local", "AAAA", dns.rcode.NOERROR, []),
        ("web.shop.svc.cluster.local", "TXT", dns.rcode.NOERROR, []),
        ("out.shop.svc.cluster.local", "A", dns.rcode.NOERROR, ["A 10.96.0.9", "CNAME api.example.com."]),
        ("nobody.shop.svc.cluster.local", "A", dns.rcode.NXDOMAIN, []),
        ("elsewhere.example.org", "A", dns.rcode.NXDOMAIN, []),
    ],
)
async def test_answers(name: str, kind: str, code: dns.rcode.Rcode, wanted: list[str]) -> None:
    reply = await ask(name, kind)
    assert (reply.rcode(), records(reply)) == (code, wanted)


async def test_long_answers_are_cut_over_udp_only() -> None:
    assert (await ask("many.example.com")).flags & dns.flags.TC
    assert len(records(await ask("many.example.com", stream=True))) == len(MANY)


@pytest.mark.parametrize("wire", [b"", b"x", b"\0" * 11, b"\xff" * 40])
async def test_nonsense_is_not_answered(wire: bytes) -> None:
    assert await Resolver(TABLE, ()).answer(wire, stream=False) is None


def test_host_resolvers() -> None:
    assert host_resolvers("# x\nsearch a\nnameserver 1.1.1.1\nnameserver  ::1 \nnameserver\n") == ("1.1.1.1", "::1")
