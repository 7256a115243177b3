"""The service that istio's agents ask for certificates: ``istio.v1.auth.IstioCertificateService/CreateCertificate``."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn

import grpc
import grpc.aio

from ca import messages
from ca.authority import DEFAULT_LIFETIME, LONGEST_LIFETIME, SHORTEST_LIFETIME, Authority, Signed
from ca.csr import LARGEST_BYTES
from ca.errors import CaError, Refused, Unusable
from ca.messages import CertificateRequest
from ca.rate import RateLimit

# Beside the CSR: a lifetime, and metadata that names a cluster and a signer.
_LARGEST_REQUEST_BYTES: Final = LARGEST_BYTES + 16 * 1024
_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)

Context = grpc.aio.ServicerContext[bytes, bytes]


class Denied(CaError):
    """The caller has not proven who it is; the text is for it to read, and says nothing that helps a forger.

    ``later``: it may have, and should come again.
    """

    def __init__(self, message: str, *, later: bool = False) -> None:
        super().__init__(message)
        self.later = later


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: its proven SPIFFE id, and the name of the one among those who share it; empty where none is proven."""

    spiffe_id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One call, answered. ``caller``: None when unproven. ``peer``: its address. ``signed``: None when refused."""

    caller: Caller | None
    code: grpc.StatusCode
    message: str = ""
    peer: str = ""
    signed: Signed | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a caller gets who asks for nothing, at most, and how often: ``burst`` at once, then ``per_second``."""

    default_lifetime: timedelta = DEFAULT_LIFETIME
    longest_lifetime: timedelta = LONGEST_LIFETIME
    per_second: float = 10
    burst: int = 10


def handlers(
    authority_of: Callable[[], Authority],
    authenticate: Callable[[Context], Awaitable[Caller]],
    answered: Callable[[Answer], None],
    limits: Limits = Limits(),
) -> grpc.GenericRpcHandler:
    """The service, to be added to a grpc.aio server.

    ``authenticate`` answers who has proven itself, or raises Denied. ``authority_of`` answers who signs just now.
    ``answered`` is told of every call before its answer is sent.
    """
    service = _Service(authority_of, authenticate, answered, limits)
    # No deserializer: bytes are read only once the caller is known, and a message that is none gets a clear answer.
    method: Any = grpc.unary_unary_rpc_method_handler(service.create_certificate)
    return grpc.method_handlers_generic_handler(messages.SERVICE, {messages.METHOD: method})


class _Stop(Exception):
    """The call ends with this status."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Service:
    def __init__(
        self,
        authority_of: Callable[[], Authority],
        authenticate: Callable[[Context], Awaitable[Caller]],
        answered: Callable[[Answer], None],
        limits: Limits,
    ) -> None:
        self._authority_of = authority_of
        self._authenticate = authenticate
        self._answered = answered
        self._limits = limits
        self._rate = RateLimit(limits.per_second, limits.burst)

    async def create_certificate(self, message: bytes, context: Any) -> bytes:
        caller = None
        try:
            caller = await self._caller(context)
            authority = self._authority_of()
            signed = self._sign(authority, caller.spiffe_id, _request(message))
        except _Stop as stop:
            self._answered(Answer(caller, stop.code, str(stop), context.peer()))
            await context.abort(stop.code, str(stop))
            raise  # abort raises; this is for those who read
        self._answered(Answer(caller, grpc.StatusCode.OK, peer=context.peer(), signed=signed))
        blocks = _BLOCK.findall(signed.certificate_chain.decode())
        return messages.encode_response([*blocks, authority.roots.pem.decode()])

    async def _caller(self, context: Context) -> Caller:
        try:
            caller = await self._authenticate(context)
        except Denied as denied:
            code = grpc.StatusCode.UNAVAILABLE if denied.later else grpc.StatusCode.UNAUTHENTICATED
            raise _Stop(code, str(denied)) from None
        if not self._rate.take(f"{caller.spiffe_id} {caller.name}", time.monotonic()):
            raise _Stop(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{caller.spiffe_id} asks too often: at most {self._limits.burst} certificates at once and "
                f"{self._limits.per_second:g} a second",
            )
        return caller

    def _sign(self, authority: Authority, caller: str, request: CertificateRequest) -> Signed:
        if request.impersonated and request.impersonated != caller:
            raise _Stop(
                grpc.StatusCode.PERMISSION_DENIED, f"{caller} may not ask for certificates of {request.impersonated}"
            )
        lifetime = self._lifetime(request.validity_duration)
        try:
            return authority.sign(request.csr, caller, lifetime, datetime.now(UTC))
        except Refused as refused:
            raise _Stop(grpc.StatusCode.INVALID_ARGUMENT, str(refused)) from None
        except Unusable as unusable:
            raise _Stop(grpc.StatusCode.UNAVAILABLE, f"this CA cannot sign: {unusable}") from None

    def _lifetime(self, seconds: int) -> timedelta:
        if seconds < 0 or 0 < seconds < SHORTEST_LIFETIME.total_seconds():
            _refuse(f"validity_duration is {seconds} s: must be {SHORTEST_LIFETIME.total_seconds():g} or more, or 0")
        longest = self._limits.longest_lifetime
        if seconds == 0:
            return min(self._limits.default_lifetime, longest)
        return longest if seconds >= longest.total_seconds() else timedelta(seconds=seconds)


def _request(message: bytes) -> CertificateRequest:
    if len(message) > _LARGEST_REQUEST_BYTES:
        _refuse(f"the request has {len(message)} bytes: at most {_LARGEST_REQUEST_BYTES} are read")
    try:
        return messages.decode_request(message)
    except ValueError:
        _refuse("the request is no istio.v1.auth.IstioCertificateRequest")


def _refuse(message: str) -> NoReturn:
    raise _Stop(grpc.StatusCode.INVALID_ARGUMENT, message)
