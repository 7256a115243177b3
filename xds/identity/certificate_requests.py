"""Certificates for who keeps its key at home: the CSR service of istio's agents, for callers that are proven."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

import grpc
import structlog

from ca.authority import Authority, Signed
from ca.holders import Holders
from ca.service import Answer, Caller, Context, Denied, Limits, handlers
from xds.callers import caller as proven
from xds.events import Event
from xds.model.identity import TrustDomains
from xds.server import Denied as Unproven
from xds.server import Peer, Reason
from xds.server.auth import peer
from xds.server.refuse import log_refusal

log = structlog.get_logger()


class CertificateRequests:
    """``caller_of`` proves who asks (server.Denied), ``authority`` signs, ``holders`` takes note of what was sent.

    ``told`` are told of every answer.
    """

    def __init__(
        self,
        caller_of: Callable[[Peer], Awaitable[proven.Caller]],
        authority: Callable[[], Authority],
        holders: Callable[[], Holders],
        told: Iterable[Callable[[Answer], None]] = (),
    ) -> None:
        self._told = told
        self._caller_of = caller_of
        self._authority = authority
        self._holders = holders

    def handlers(self, lifetime: timedelta) -> grpc.GenericRpcHandler:
        """The service for a server; ``lifetime`` is what a certificate lasts at most, and where none is asked for."""
        limits = Limits(default_lifetime=lifetime, longest_lifetime=lifetime)
        return handlers(self._authority, self._authenticate, self._answered, limits)

    async def _authenticate(self, context: Context) -> Caller:
        try:
            caller = await self._caller_of(peer(context, delta=False, type_url=""))
        except Unproven as denied:
            raise Denied(str(denied), later=denied.reason is Reason.UNAVAILABLE) from None
        own = TrustDomains(self._authority().trust_domain)  # whichever of its names the caller has been called by
        name = f"{caller.namespace}/{caller.pod}" if caller.pod else ""
        return Caller(own.spiffe_id(caller.namespace, caller.service_account), name)

    def _answered(self, answer: Answer) -> None:
        for tell in self._told:
            tell(answer)
        caller, signed = answer.caller, answer.signed
        if caller is None:
            log_refusal(answer.peer, answer.message, answer.code)
            return
        about = {"proxy": caller.name, "peer": answer.peer, "identity": caller.spiffe_id}
        if signed is None:
            log.warning(Event.CERTIFICATE_REFUSED, **about, reason=answer.message, status=answer.code.name)
            return
        not_after = signed.not_after.isoformat()
        log.info(Event.CERTIFICATE_ISSUED, **about, serial=f"{signed.serial:x}", not_after=not_after)
        self._note(caller, signed)

    def _note(self, caller: Caller, signed: Signed) -> None:
        """What an answer holds is in force at the caller's when it arrives; who misses an answer asks again at once.

        A caller without a name may be any of several: each of its certificates counts until its end.
        """
        holders = self._holders()
        name = f"{caller.name or caller.spiffe_id} (certificate request)"
        if not caller.name:
            name = f"{caller.spiffe_id} (certificate {signed.serial:x})"
        bundle = holders.bundle_sent(name, self._authority().roots.fingerprints)
        certificate = holders.certificate_sent(name, signed.root, signed.not_after)
        for mark in (bundle, certificate):
            holders.acknowledged(name, mark)
        holders.disconnected(name)
