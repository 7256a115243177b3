"""The secrets that proxies are given, and the CA behind them: what a control plane keeps of both while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from ca.errors import Refused
from ca.rotation import Holder
from ca.state import CaState
from ca.store import Store
from ca.trust import TrustBundle
from xds.admin.status import CaReport
from xds.cluster.council import Council, Counsel
from xds.events import Event
from xds.identity.holders import Pods, unseen
from xds.identity.identities import Believed, Identities
from xds.identity.mesh_ca import MeshCa
from xds.identity.plugged_in import PluggedInFiles
from xds.identity.trust import Trust
from xds.model.mesh import Mesh, settings_of
from xds.model.proxy import Proxy
from xds.model.snapshot import Snapshot, Table
from xds.server import SnapshotCache, State
from xds.slices import Slices, in_slices
from xds.wire import resource
from xds.wire.type_urls import SECRET

log = structlog.get_logger()

# A proxy asks for secrets when the first cluster or listener that names one arrives.
_TIME_TO_ASK: Final = timedelta(seconds=10)
_FORGET_S: Final = 60.0

Secrets = tuple[resource.Table, ...]


class Custody:
    """Certificates for the proxies that have proven who they are, from the CA in ``store``, or ``plugged_in`` to it.

    ``snapshot`` tells the mesh as it is; ``renewed`` is told of proxies whose secrets are others now.
    """

    def __init__(
        self,
        store: Store,
        lifetime: timedelta,
        snapshot: Callable[[], Snapshot],
        renewed: Callable[[Iterable[Proxy]], None],
        plugged_in: PluggedInFiles | None = None,
        council: Council | None = None,
    ) -> None:
        self._lifetime = lifetime
        self._council = council
        self._snapshot = snapshot
        self._renewed = renewed
        self._started = datetime.now(UTC)
        self._ca = MeshCa(store, self._ca_changed, plugged_in, council)
        self._pods = Pods()
        self._identities: Identities | None = None
        self._followed: Mesh | None = None

    async def open(self) -> None:
        """Open the CA. Errors: ca.errors.Unusable, which says in words why it cannot sign; OSError."""
        await self._ca.open()
        self._identities = Identities(self._believed(), self._lifetime, self._renewed)

    @property
    def identities(self) -> Identities:
        """The certificates. RuntimeError before ``open``."""
        if self._identities is None:
            raise RuntimeError("the CA is not open")
        return self._identities

    def work(
        self, cache: SnapshotCache, proxy_of: Callable[[str], Proxy | None]
    ) -> dict[str, Coroutine[Any, Any, None]]:
        """What is to run while the control plane does, by name. ``proxy_of`` tells whose a group of ``cache`` is."""
        return {
            "holders": self._forget_ended(),
            "certificates": self.identities.renew(),
            "certificate authority": self._ca.follow(lambda: self._holders(cache, proxy_of)),
        }

    def secrets(self, proxy: Proxy) -> Secrets:
        """The secrets that a proxy is sent. Errors: ca.errors.CaError when it cannot be given a certificate."""
        if self._snapshot().rows(Table.WORKLOAD, (proxy.namespace, proxy.name)):
            self._pods.note(proxy.label)
        return self.identities.secrets(proxy)

    def forget(self, proxy: Proxy) -> None:
        """Drop what a proxy had, which is gone."""
        self.identities.forget(proxy)

    def follow_mesh(self) -> None:
        """Take note that the mesh's settings may be others now."""
        if self._settings is not self._followed:
            self._ca_changed(self._ca.state)

    def counsel(self, cache: SnapshotCache, proxy_of: Callable[[str], Proxy | None]) -> Counsel:
        """What other control planes of the mesh must know of this one's CA and its proxies."""
        connected = (proxy_of(group) for group in cache.connected())
        return self._ca.counsel(sorted({proxy.label for proxy in connected if proxy is not None}))

    def report(self) -> CaReport | None:
        """What people are told of the CA; None before ``open``."""
        return self._ca.report() if self._identities is not None else None

    @property
    def _settings(self) -> Mesh:
        return settings_of(self._snapshot())

    def _ca_changed(self, _: CaState) -> None:
        if self._identities is not None:
            self._identities.use(self._believed())

    def _believed(self) -> Believed:
        self._followed = settings = self._settings
        own, federated = TrustBundle(), dict[str, TrustBundle]()
        for each in settings.authorities:
            try:
                bundle = TrustBundle.from_pem(each.pem.encode())
            except Refused as error:
                log.error(Event.AUTHORITIES_REFUSED, trust_domains=each.trust_domains, reason=str(error))
                continue
            foreign = [domain for domain in each.trust_domains if domain in settings.trust.federated]
            for domain in foreign:
                federated[domain] = federated.get(domain, TrustBundle()) | bundle
            if len(foreign) < len(each.trust_domains) or not each.trust_domains:
                own |= bundle
        return Believed(self._ca.authority(settings.trust.own, own), settings.trust.all, federated)

    async def _forget_ended(self) -> None:
        """Forget whose certificates have ended, for ever: workloads come and go, also while no root is replaced."""
        while True:
            await asyncio.sleep(_FORGET_S)
            ledger = self.identities.holders
            ledger.forget_ended(datetime.now(UTC))
            self._pods.forget_unknown(ledger)

    async def _holders(self, cache: SnapshotCache, proxy_of: Callable[[str], Proxy | None]) -> list[Holder]:
        """Who may have a certificate, also those that this process has not seen since it started."""
        content = await in_slices(self._confirm_all(cache, proxy_of))
        snapshot, ledger = self._snapshot(), self.identities.holders
        connected = {proxy.label for group in cache.connected() if (proxy := proxy_of(group)) is not None}
        pods = [snapshot.rows(Table.WORKLOAD, key)[0] for key in snapshot.keys(Table.WORKLOAD)]
        self._pods.tidy(ledger, connected | {pod.label for pod in pods})
        until, now = self._started + self._lifetime, datetime.now(UTC)
        ledger.forget_ended(now)
        if self._council is not None and self._council.leading:
            content |= self._council.connected_elsewhere() - connected
        held = [holder for holder in ledger.valid(now) if holder.name not in content]
        if self._ca.made_here or (self._council is not None and not self._council.leading):
            return held
        others = (pod for pod in pods if pod.label not in content)
        return [*held, *unseen(others, ledger, self._ca.state, until)]

    def _confirm_all(self, cache: SnapshotCache, proxy_of: Callable[[str], Proxy | None]) -> Slices[set[str]]:
        """Note who has acknowledged its secrets; answers those that have certificates from elsewhere."""
        content, now = set[str](), datetime.now(UTC)
        for group, since, state in cache.states(SECRET):
            proxy = proxy_of(group)
            if proxy is None:
                continue
            if state is State.SYNCED:
                self.identities.confirmed(proxy)
            if state is State.NOT_SENT and now - since > _TIME_TO_ASK:
                content.add(proxy.label)
            yield
        return content


def custody(
    trust: Trust,
    lifetime: timedelta,
    snapshot: Callable[[], Snapshot],
    renewed: Callable[[Iterable[Proxy]], None],
) -> Custody | None:
    """The custody of certificates of the CA that is trusted; None without one."""
    if trust.store is None:
        return None
    return Custody(trust.store, lifetime, snapshot, renewed, trust.plugged_in, trust.council)
