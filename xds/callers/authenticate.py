"""Who a peer is, by the first way that proves it."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Protocol

from cryptography import x509

from xds.callers.caller import Caller
from xds.callers.failed_attempts import FailedAttempts
from xds.model.identity import SCHEME
from xds.server.errors import Denied, Reason
from xds.server.node import Peer


class Way(Protocol):
    """One way to prove who one is. ``asks`` says, for people, what is to be presented."""

    @property
    def asks(self) -> str:
        """A noun: ``a client certificate of the mesh``."""

    async def caller(self, peer: Peer) -> Caller | None:
        """Who the peer is; None when it presents nothing of this kind. Denied when that proves nothing."""


class Certificates:
    """The way of client certificates that TLS has verified; ``trust_domains`` are those whose ids are taken.

    TLS looks at the certificate when a connection is made, which may be long ago: here its time is looked at again.
    """

    asks: Final = "a client certificate of the mesh"

    def __init__(self, trust_domains: Collection[str]) -> None:
        self._trust_domains = frozenset(trust_domains)

    @property
    def trust_domains(self) -> frozenset[str]:
        """Whose ids are taken now; they may be replaced while it is in use."""
        return self._trust_domains

    @trust_domains.setter
    def trust_domains(self, trust_domains: Collection[str]) -> None:
        self._trust_domains = frozenset(trust_domains)

    async def caller(self, peer: Peer) -> Caller | None:
        """Whom the SPIFFE id of the certificate names; None without such an id."""
        ids = [name for name in peer.identities if name.startswith(SCHEME)] if peer.secure else []
        if not ids:
            return None
        if len(ids) > 1:
            raise Denied("the client certificate has more than one SPIFFE id", Reason.UNAUTHENTICATED)
        try:
            caller = Caller.of(ids[0])
        except ValueError as error:
            raise Denied(f"the client certificate: {error}", Reason.UNAUTHENTICATED) from None
        if caller.trust_domain not in self._trust_domains:
            text = f"the client certificate is of trust domain {caller.trust_domain}, which is not the mesh's"
            raise Denied(text, Reason.UNAUTHENTICATED)
        expires_at = _not_after(peer.certificate)
        if expires_at <= datetime.now(UTC):
            text = f"the client certificate expired at {expires_at:%Y-%m-%d %H:%M:%S}Z: connect anew with a new one"
            raise Denied(text, Reason.UNAUTHENTICATED)
        return replace(caller, expires_at=expires_at)


def _not_after(pem: str) -> datetime:
    try:
        return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    except ValueError:
        raise Denied("the client certificate cannot be read", Reason.UNAUTHENTICATED) from None


class Authenticator:
    """Ways in their order; the first that proves the peer wins.

    A peer whose attempts fail too often is refused unheard for a while, by its address (unix sockets have none).
    """

    def __init__(self, ways: Sequence[Way], failed: FailedAttempts | None = None) -> None:
        self._ways = tuple(ways)
        self._failed = FailedAttempts() if failed is None else failed

    async def authenticate(self, peer: Peer) -> Caller:
        """Who the peer is. Denied: UNAUTHENTICATED when it proves nothing, UNAVAILABLE when it should come again."""
        address = peer.host
        wait_s = self._failed.wait_s(address, time.monotonic()) if address else 0.0
        if wait_s:
            text = f"too many failed attempts from {address}; the next in {wait_s:.0f} s"
            raise Denied(text, Reason.UNAVAILABLE)
        try:
            return await self._proven(peer)
        except Denied as denied:
            if address and denied.reason is Reason.UNAUTHENTICATED:
                self._failed.add(address, time.monotonic())
            raise

    async def _proven(self, peer: Peer) -> Caller:
        refusals: list[Denied] = []
        for way in self._ways:
            try:
                caller = await way.caller(peer)
            except Denied as denied:
                refusals.append(denied)
                continue
            if caller is not None:
                return caller
        if refusals:
            later = any(refusal.reason is Reason.UNAVAILABLE for refusal in refusals)
            text = "; ".join(dict.fromkeys(str(refusal) for refusal in refusals))
            raise Denied(text, Reason.UNAVAILABLE if later else Reason.UNAUTHENTICATED)
        asked = " or ".join(dict.fromkeys(way.asks for way in self._ways))
        raise Denied(f"nothing proves who this is: present {asked}", Reason.UNAUTHENTICATED)
