"""Where the control plane is reached: plaintext, TLS with a token, TLS with a certificate; and by whom."""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import structlog

from ca.service import Answer
from xds.callers.caller import Caller
from xds.events import Event
from xds.identity.admission import caller_of
from xds.identity.certificate_requests import CertificateRequests
from xds.identity.custody import Custody
from xds.identity.own_certificate import OwnCertificate
from xds.identity.trust import Trust
from xds.model.mesh import Mesh, settings_of
from xds.model.revision import ISTIOD, service_host
from xds.model.snapshot import Snapshot
from xds.server import Denied, Peer, Reason, Server
from xds.settings import Settings

log = structlog.get_logger()


class Ports:
    """The addresses of ``server`` as ``settings`` have them; ``snapshot`` tells the mesh as it is.

    ``bound`` has the port of each that is open, by the setting's name; 0 for a socket. With a CA (``custody``) there is
    the ``certificate`` that is shown there, and certificates can be asked for on all of them; who is in
    ``certificates_answered`` is told of each answer to that.
    """

    def __init__(
        self,
        server: Server,
        settings: Settings,
        trust: Trust,
        custody: Custody | None,
        snapshot: Callable[[], Snapshot],
    ) -> None:
        self._server = server
        self._settings = settings
        self._trust = trust
        self._custody = custody
        self._snapshot = snapshot
        self.bound: dict[str, int] = {}
        self.certificates_answered: list[Callable[[Answer], None]] = []
        self.certificate = None if custody is None else self._certificate(custody)
        if custody is not None:
            requests = CertificateRequests(
                self._caller,
                lambda: custody.identities.authority,
                lambda: custody.identities.holders,
                self.certificates_answered,
            )
            server.add_handlers([requests.handlers(settings.certificate_lifetime)])

    def _certificate(self, custody: Custody) -> OwnCertificate:
        names, lifetime = (lambda: self._names), self._settings.certificate_lifetime
        return OwnCertificate(lambda: custody.identities.authority, names, lifetime)

    def open(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Listen; what comes back is to run while they are open, by name.

        Errors: OSError when an address cannot be had; ca.errors.CaError when the CA cannot sign for it.
        """
        self.follow_mesh()
        if self._settings.xds_plaintext:
            self._opened("xds_plaintext", self._settings.xds_plaintext, self._server.add_plaintext)
        if self._settings.xds or self._settings.xds_mtls:
            self._open_tls()
        return {} if self._trust.issuer is None else {"token keys": self._trust.issuer.follow()}

    def _open_tls(self) -> None:
        if self.certificate is None:
            raise OSError("xDS over TLS needs a CA")
        for name, address, mutual in (("xds", self._settings.xds, False), ("xds_mtls", self._settings.xds_mtls, True)):
            if address:
                credentials = self.certificate.credentials(mutual=mutual)
                self._opened(name, address, partial(self._server.add_tls, credentials=credentials))
        if self._settings.xds and self._trust.issuer is None:
            log.warning(
                Event.TOKENS_NOT_TAKEN,
                address=self._settings.xds,
                advice="nobody can prove who it is there: --token-issuer and --token-keys, or --xds-mtls",
            )

    def follow_mesh(self) -> None:
        """Take note that the mesh's settings may be others now."""
        if self._trust.certificates is not None:
            self._trust.certificates.trust_domains = self._mesh.trust.all
        if self._custody is not None:
            self._custody.follow_mesh()

    def _opened(self, name: str, address: str, listen: Callable[[str], int]) -> None:
        self.bound[name] = listen(address)
        log.info(Event.ADDRESS_OPENED, setting=name, address=address, port=self.bound[name])

    @property
    def _mesh(self) -> Mesh:
        return settings_of(self._snapshot())

    @property
    def _names(self) -> tuple[str, ...]:
        if self._settings.xds_names:
            return tuple(self._settings.xds_names.split())
        mesh, own = self._mesh, self._settings
        hosts = [service_host(own.namespace, own.revision)] if own.watches_cluster else []
        hosts += [f"{name}.{mesh.root_namespace}.svc" for name in (ISTIOD, "plait")]
        full = [f"{host}.{mesh.domain}" for host in hosts]
        return tuple(dict.fromkeys((*hosts, *full, "localhost", socket.gethostname())))

    async def _caller(self, peer: Peer) -> Caller:
        found = await caller_of(peer, self._trust, anonymous=False)
        if found is None:
            raise Denied("nothing proves who this is", Reason.UNAUTHENTICATED)
        return found
