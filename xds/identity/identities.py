"""The certificates of the connected proxies: made in memory when one has proven who it is, renewed while it is there.

A private key exists here only as part of what its one proxy is sent; it is dropped with the proxy.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from ca.authority import Authority, Issued
from ca.errors import Refused, Unusable
from ca.holders import Holders
from ca.renewal import part_of, renew_at
from ca.trust import TrustBundle
from xds.api.envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from xds.api.envoy.extensions.transport_sockets.tls.v3.tls_spiffe_validator_config_pb2 import SPIFFECertValidatorConfig
from xds.events import Event
from xds.model.identity import Identity, TrustDomains
from xds.model.proxy import Proxy
from xds.slices import Slices, in_slices
from xds.view.names import AUTHORITIES, CERTIFICATE, OWN_AUTHORITIES
from xds.wire.codec import encode, pack
from xds.wire.resource import Resource, Table
from xds.wire.type_urls import SECRET

log = structlog.get_logger()

# Where the CA cannot sign, old certificates go on being used, and it is asked again after this.
_AGAIN: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Held:
    """The certificate of a connected proxy as it is sent, without which nothing of its key is left.

    ``mark``: what the ledger of holders knows it by.
    """

    table: Table
    mark: int


@dataclass(frozen=True, slots=True)
class Believed:
    """Who signs for the mesh and whom it believes: by ``authority.roots`` its ``own`` trust domains, by roots of their
    own those ``federated`` with it.
    """

    authority: Authority
    own: tuple[str, ...]
    federated: Mapping[str, TrustBundle] = field(default_factory=dict)

    @property
    def fingerprints(self) -> tuple[object, ...]:
        """What tells it from another that workloads are to believe."""
        foreign = tuple((domain, bundle.fingerprints) for domain, bundle in sorted(self.federated.items()))
        return (self.authority.roots.fingerprints, self.own if foreign else (), foreign)


class Identities:
    """Certificates by proxy. ``renewed`` is told of the proxies whose secrets are others now, a slice at a time."""

    def __init__(self, believed: Believed, lifetime: timedelta, renewed: Callable[[Iterable[Proxy]], None]) -> None:
        self._believed = believed
        self._lifetime = lifetime
        self._renewed = renewed
        self._held: dict[Proxy, Held] = {}
        self._due: list[tuple[datetime, int, Proxy]] = []
        self._count = 0
        self._scheduled: dict[Proxy, int] = {}  # which of its entries in _due holds; the others came to nothing
        self._stale: dict[Proxy, None] = {}
        self._untold: dict[Proxy, None] = {}  # of the roots that are to be believed now
        self._wake = asyncio.Event()
        self._authorities = _authorities(believed)
        self._roots = frozenset(believed.authority.roots.fingerprints)
        self._told: dict[Proxy, tuple[Table, int]] = {}  # the roots it was sent, and their mark
        self.holders = Holders()

    @property
    def authority(self) -> Authority:
        """Who signs now, and whom it says to believe."""
        return self._believed.authority

    def secrets(self, proxy: Proxy) -> tuple[Table, ...]:
        """The secrets that a proxy is sent: whom to believe, and its own certificate.

        Nothing for one that has proven nothing, or that has them from elsewhere. The first of the two is shared by all.
        Errors: ca.errors.Refused and Unusable when the CA cannot sign for it.
        """
        if proxy.identity is not Identity.ADS:
            return ()
        if proxy not in self._held:
            self._issue(proxy)
        if proxy not in self._told or self._told[proxy][0] is not self._authorities:
            mark = self.holders.bundle_sent(proxy.label, self._roots)
            self._told[proxy] = (self._authorities, mark)
        return (self._authorities, self._held[proxy].table)

    def confirmed(self, proxy: Proxy) -> None:
        """Note that a proxy has acknowledged the secrets that it has now."""
        if proxy in self._held and proxy in self._told:
            self.holders.acknowledged(proxy.label, self._held[proxy].mark)
            self.holders.acknowledged(proxy.label, self._told[proxy][1])

    def forget(self, proxy: Proxy) -> None:
        """Drop what a proxy had, which is gone."""
        if self._held.pop(proxy, None) is not None:
            self.holders.disconnected(proxy.label)
        self._told.pop(proxy, None)
        self._stale.pop(proxy, None)
        self._scheduled.pop(proxy, None)

    def use(self, believed: Believed) -> None:
        """Sign with another authority from now on, or tell of others to believe.

        Who has a certificate of another issuer or trust domain gets a new one; all are told of other roots.
        """
        before, authority = self._believed, believed.authority
        self._believed = believed
        if authority.issuer.certificate != before.authority.issuer.certificate or (
            authority.trust_domain != before.authority.trust_domain
        ):
            self._stale.update(dict.fromkeys(self._held))
            self._wake.set()
        if believed.fingerprints != before.fingerprints:
            self._authorities = _authorities(believed)
            self._roots = frozenset(authority.roots.fingerprints)
            self._untold.update(dict.fromkeys(self._held))
            self._wake.set()

    async def renew(self) -> None:
        """Renew certificates when they are due and tell of other roots, for ever; ends only when cancelled."""
        while True:
            await in_slices(self._tell_all())
            await in_slices(self._renew_all())
            await self._sleep()

    def _tell_all(self) -> Slices[None]:
        untold, self._untold = self._untold, {}
        for proxy in untold:
            self._renewed((proxy,))
            yield

    def _renew_all(self) -> Slices[None]:
        now = datetime.now(UTC)
        for proxy in self._take_due(now):
            if self._reissue(proxy, now):
                self._renewed((proxy,))
            yield

    def _take_due(self, now: datetime) -> list[Proxy]:
        stale, self._stale = self._stale, {}
        while self._due and self._due[0][0] <= now:
            _, number, proxy = heapq.heappop(self._due)
            if self._scheduled.get(proxy) == number:
                stale[proxy] = None
        return [proxy for proxy in stale if proxy in self._held]

    async def _sleep(self) -> None:
        wait = (self._due[0][0] - datetime.now(UTC)).total_seconds() if self._due else None
        try:
            async with asyncio.timeout(None if wait is None else max(0.0, wait)):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    def _reissue(self, proxy: Proxy, now: datetime) -> bool:
        """Whether there is a new certificate. One that cannot be had is asked for again; the old one stays in use."""
        if proxy not in self._held:
            return False
        try:
            self._issue(proxy)
        except (Refused, Unusable) as error:
            log.error(Event.CERTIFICATE_REFUSED, proxy=proxy.id, reason=str(error))
            self._schedule(proxy, now + _AGAIN)
            return False
        return True

    def _issue(self, proxy: Proxy) -> None:
        now = datetime.now(UTC)
        own = TrustDomains(self.authority.trust_domain)
        spiffe_id = own.spiffe_id(proxy.namespace, proxy.service_account)
        issued = self.authority.issue(spiffe_id, self._lifetime, now)
        mark = self.holders.certificate_sent(proxy.label, issued.root, issued.not_after)
        self._held[proxy] = Held(Table([_certificate(issued)]), mark)
        self._schedule(proxy, renew_at(now, issued.not_after, part_of(proxy.id, str(issued.serial))))
        log.info(
            Event.CERTIFICATE_ISSUED,
            proxy=proxy.id,
            identity=spiffe_id,
            serial=f"{issued.serial:x}",
            not_after=issued.not_after.isoformat(),
        )

    def _schedule(self, proxy: Proxy, when: datetime) -> None:
        self._count += 1  # two that are due together are never compared by proxy
        self._scheduled[proxy] = self._count
        heapq.heappush(self._due, (when, self._count, proxy))
        if self._due[0][2] is proxy:
            self._wake.set()


def _certificate(issued: Issued) -> Resource:
    secret = Secret(name=CERTIFICATE)
    secret.tls_certificate.certificate_chain.inline_bytes = issued.certificate_chain
    secret.tls_certificate.private_key.inline_bytes = issued.private_key
    return _resource(secret)


def _authorities(believed: Believed) -> Table:
    own = Secret(name=OWN_AUTHORITIES)
    own.validation_context.trusted_ca.inline_bytes = believed.authority.roots.pem
    return Table([_resource(_all_authorities(believed)), _resource(own)])


def _resource(secret: Secret) -> Resource:
    return Resource(SECRET, secret.name, encode(secret))


def _all_authorities(believed: Believed) -> Secret:
    secret = Secret(name=AUTHORITIES)
    roots = believed.authority.roots.pem
    if not believed.federated:
        secret.validation_context.trusted_ca.inline_bytes = roots
        return secret
    # Each trust domain by its own roots: those of another mesh must not make identities of ours. Envoy looks at the
    # first URI of a certificate for that, and elsewhere at all of them: hence authorization/policy.strangers.
    config = SPIFFECertValidatorConfig()
    bundles = dict.fromkeys(believed.own, roots) | {domain: bundle.pem for domain, bundle in believed.federated.items()}
    for domain, pem in sorted(bundles.items()):
        config.trust_domains.add(name=domain).trust_bundle.inline_bytes = pem
    validator = secret.validation_context.custom_validator_config
    validator.name = "envoy.tls.cert_validator.spiffe"
    validator.typed_config.CopyFrom(pack(config))
    return secret
