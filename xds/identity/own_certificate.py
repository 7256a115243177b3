"""The control plane's own certificate: signed by the mesh's CA for its names, made anew when it is due."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import grpc
import structlog

from ca.authority import Authority
from ca.errors import CaError
from ca.renewal import part_of, renew_at
from xds.events import Event

log = structlog.get_logger()

# Where the CA cannot sign, the old certificate goes on being shown, and it is asked again after this.
_AGAIN: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _Made:
    """What connections are met with, and what it was made of."""

    configuration: grpc.ServerCertificateConfiguration
    pair: tuple[bytes, bytes] = field(repr=False)
    authority: Authority
    names: tuple[str, ...]
    until: datetime


class OwnCertificate:
    """Looked at whenever somebody connects, so nothing runs meanwhile: at half of its lifetime, or when ``authority``
    or ``names`` say something else, the next connection is met with another. Those that are open stay.
    """

    def __init__(
        self, authority: Callable[[], Authority], names: Callable[[], tuple[str, ...]], lifetime: timedelta
    ) -> None:
        self._authority = authority
        self._names = names
        self._lifetime = lifetime
        self._lock = threading.Lock()  # gRPC asks in threads of its own
        self._made: _Made | None = None

    def credentials(self, *, mutual: bool) -> grpc.ServerCredentials:
        """For a port: with ``mutual``, who connects must have a certificate by a root that the mesh trusts then.

        Errors: CaError when the CA cannot sign.
        """
        return grpc.dynamic_ssl_server_credentials(self.current(), self.current, mutual)

    def current(self) -> grpc.ServerCertificateConfiguration:
        """What connections are met with now. Errors: CaError when there is none, and none can be had."""
        return self._current().configuration

    def current_pair(self) -> tuple[bytes, bytes]:
        """Key and certificate chain, PEM, that connections are met with now; the same until another is made.

        Errors: as ``current``.
        """
        return self._current().pair

    def _current(self) -> _Made:
        with self._lock:
            now, authority, names = datetime.now(UTC), self._authority(), self._names()
            made = self._made
            if made is None or now >= made.until or made.authority is not authority or made.names != names:
                made = self._made = self._make(authority, names, now)
            return made

    def _make(self, authority: Authority, names: tuple[str, ...], now: datetime) -> _Made:
        try:
            issued = authority.issue_server(names, self._lifetime, now)
        except CaError as error:
            if self._made is None:
                raise
            log.error(Event.CERTIFICATE_REFUSED, identity="the control plane", reason=str(error))
            return replace(self._made, authority=authority, names=names, until=now + _AGAIN)
        pair = (issued.private_key, issued.certificate_chain)
        configuration = grpc.ssl_server_certificate_configuration([pair], authority.roots.pem)
        serial = f"{issued.serial:x}"
        log.info(
            Event.CERTIFICATE_ISSUED,
            identity="the control plane",
            names=names,
            serial=serial,
            not_after=issued.not_after.isoformat(),
        )
        return _Made(configuration, pair, authority, names, renew_at(now, issued.not_after, part_of(serial)))
