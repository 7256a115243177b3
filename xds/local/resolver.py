"""The DNS server of a local mesh: answers the cluster's names from a table and asks the host's resolvers the rest.

It runs in this process; only its sockets are in the node's network namespace. Questions to the host's resolvers are
sent from the host's own namespace, so that what the host resolves, pods resolve.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns.asyncquery import tcp, udp_with_fallback

from xds.local.names import Answer, NameTable, RecordType
from xds.local.netns import listening_socket

# Short: a name's addresses change when pods come and go.
TTL_S: Final = 5
_UPSTREAM_TIMEOUT_S: Final = 3.0
_TCP_IDLE_S: Final = 10.0
_KINDS: Final = {
    dns.rdatatype.A: RecordType.A,
    dns.rdatatype.AAAA: RecordType.AAAA,
    dns.rdatatype.SRV: RecordType.SRV,
}
_ALIASES_DEEP: Final = 8


class Resolver:
    """A running DNS server. ``names`` is the table it answers from and may be replaced at any time."""

    def __init__(self, names: NameTable, upstream: tuple[str, ...]) -> None:
        self.names = names
        self._upstream = upstream
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, namespace: int, address: str, port: int = 53) -> None:
        """Open UDP and TCP on the address in that network namespace. OSError when it is taken."""
        loop = asyncio.get_running_loop()
        datagrams = listening_socket(namespace, address, port, socket.SOCK_DGRAM)
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=datagrams)
        streams = listening_socket(namespace, address, port, socket.SOCK_STREAM)
        self._tcp = await asyncio.start_server(self._serve_stream, sock=streams)

    async def close(self) -> None:
        """Close the sockets and forget the questions under way."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def answer(self, wire: bytes, *, stream: bool) -> bytes | None:
        """The answer to a question in wire form; None for what is no DNS question at all."""
        try:
            question = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            return None
        if question.flags & dns.flags.QR:
            return None
        reply = await self._reply(question, stream)
        # Without EDNS a datagram holds 512 bytes; a longer answer is cut and the client comes back over TCP.
        limit = 65535 if stream else max(512, question.payload or 0)
        return reply.to_wire(max_size=limit, want_shuffle=False) if _fits(reply, limit) else _truncated(question)

    async def _reply(self, question: dns.message.Message, stream: bool) -> dns.message.Message:
        reply = dns.message.make_response(question, recursion_available=True)
        if question.opcode() != dns.opcode.QUERY or len(question.question) != 1:
            reply.set_rcode(dns.rcode.NOTIMP)
            return reply
        asked = question.question[0]
        kind = _KINDS.get(asked.rdtype, RecordType.OTHER)
        name = asked.name.to_text(omit_final_dot=True).lower()
        found = self.names.lookup(name, kind)
        if found is None:
            if not self.names.covers(name) and self._upstream:
                return await self._ask_upstream(question, stream)
            reply.set_rcode(dns.rcode.NXDOMAIN)
            return reply
        await self._fill(reply, asked, kind, found)
        return reply

    async def _fill(self, reply: dns.message.Message, asked: dns.rrset.RRset, kind: RecordType, found: Answer) -> None:
        """Put the records of a known name into the reply; an alias is followed, within the table and upstream."""
        owner = asked.name
        for _ in range(_ALIASES_DEEP):
            if not found.alias:
                break
            target = dns.name.from_text(found.alias)
            reply.answer.append(dns.rrset.from_text(owner, TTL_S, "IN", "CNAME", target.to_text()))
            following = self.names.lookup(found.alias, kind)
            if following is None:
                if self._upstream and not self.names.covers(found.alias):
                    further = await self._ask_upstream(dns.message.make_query(target, asked.rdtype), False)
                    reply.answer.extend(further.answer)
                return
            owner, found = target, following
        if found.addresses and kind in {RecordType.A, RecordType.AAAA}:
            reply.answer.append(dns.rrset.from_text(owner, TTL_S, "IN", kind.value, *found.addresses))
        if found.srv and kind is RecordType.SRV:
            lines = [f"0 {100 // len(found.srv)} {srv.port} {srv.target}." for srv in found.srv]
            reply.answer.append(dns.rrset.from_text(owner, TTL_S, "IN", "SRV", *lines))

    async def _ask_upstream(self, question: dns.message.Message, stream: bool) -> dns.message.Message:
        """The first upstream's answer; SERVFAIL when none gives one in time."""
        for server in self._upstream:
            try:
                if stream:
                    return await tcp(question, server, timeout=_UPSTREAM_TIMEOUT_S)
                reply, _ = await udp_with_fallback(question, server, timeout=_UPSTREAM_TIMEOUT_S)
                return reply
            except (dns.exception.DNSException, OSError, EOFError):
                continue
        failed = dns.message.make_response(question, recursion_available=True)
        failed.set_rcode(dns.rcode.SERVFAIL)
        return failed

    def receive(self, wire: bytes, send: Callable[[bytes], None]) -> None:
        """Answer a datagram, later, through ``send``."""
        task = asyncio.create_task(self._answer_datagram(wire, send))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_datagram(self, wire: bytes, send: Callable[[bytes], None]) -> None:
        reply = await self.answer(wire, stream=False)
        if reply is not None:
            send(reply)

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(_TCP_IDLE_S):
                    length = int.from_bytes(await reader.readexactly(2))
                    wire = await reader.readexactly(length)
                reply = await self.answer(wire, stream=True)
                if reply is None:
                    break
                writer.write(len(reply).to_bytes(2) + reply)
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    """UDP in, UDP out."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own type says less than it gives

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        transport = self._transport
        if transport is not None:
            self._resolver.receive(data, lambda reply: transport.sendto(reply, addr))


def _fits(reply: dns.message.Message, limit: int) -> bool:
    try:
        reply.to_wire(max_size=limit)
    except dns.exception.TooBig:
        return False
    return True


def _truncated(question: dns.message.Message) -> bytes:
    reply = dns.message.make_response(question, recursion_available=True)
    reply.flags |= dns.flags.TC
    return reply.to_wire()


def host_resolvers(text: str) -> tuple[str, ...]:
    """The servers of a resolv.conf, in its order."""
    lines = (line.split() for line in text.splitlines())
    return tuple(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")
