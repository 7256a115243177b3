"""The composition root: sources in, streams out. What identity adds to it is in ports, custody and admission."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self

import structlog

from xds.audit.audit import Audit
from xds.callers.caller import Caller
from xds.dashboard.acting import Writers
from xds.dashboard.answers import Answers
from xds.decoders.build import Builder
from xds.events import Event
from xds.failed.failed import Failed
from xds.findings import Findings
from xds.generations.pending import Pending
from xds.generations.publication import Publication
from xds.generations.succession import Succession
from xds.history.object_pages import ObjectPages
from xds.identity.admission import caller_of
from xds.identity.certificates import examined
from xds.identity.custody import Secrets, custody
from xds.identity.trust import NOBODY, Trust
from xds.judging.proving import proving
from xds.judging.trial import Trial
from xds.machines.machines import Machines
from xds.metrics.metrics import Metrics
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.snapshot import Snapshot
from xds.pages import NAMES, Told, pages
from xds.pipeline import Pipeline
from xds.ports import Ports
from xds.proxies.comings import Comings
from xds.proxies.connected import Connected
from xds.proxies.convergence import Convergence
from xds.proxies.live import Live
from xds.proxies.presence import Presence, group_of
from xds.proxies.recordings import Recordings
from xds.proxies.reports import Reports
from xds.proxies.served import Served
from xds.proxies.usage import HostsUsed, reports_for
from xds.rollout.board import Board
from xds.rollout.pages import tries
from xds.rollout.rollouts import Rollouts
from xds.rollout.world import Stable
from xds.server import Observer, Peer, Rejection, Server, ServerSettings, SnapshotCache
from xds.settings import Settings
from xds.sources.changes import Source
from xds.sources.gateway_names import GatewayNames
from xds.sources.issuer_keys import IssuerKeys
from xds.sources.key_sets import KeySetSettings, networks
from xds.sources.store import ObjectStore
from xds.sources.stored import any_stands_in
from xds.tasks import Tasks
from xds.telemetry.telemetry import Telemetry
from xds.tracing import traces
from xds.view.graph import Graph

log = structlog.get_logger()
_SERVER = ServerSettings(on_demand_wait_s=2.0)  # what a request for a host may wait for the routes to it


class ControlPlane:
    """A running control plane. An asynchronous context manager, entered when the first generation is being served.

    What is called in ``advanced`` is told, in the event loop, after each change of the mesh. ``board`` is where it
    agrees on rollouts with others of its mesh.

    Errors on entering: OSError where an address or a source cannot be had, ca.errors.CaError where the CA cannot sign.
    """

    writers: Writers | None = None
    """Who says what people that log in may write; nobody does where there is no cluster."""

    def __init__(
        self, settings: Settings, sources: Sequence[Source], trust: Trust = NOBODY, board: Board | None = None
    ) -> None:
        self._settings = settings
        self._keys = IssuerKeys(KeySetSettings(refresh=settings.jwks_refresh, blocked=networks(settings.jwks_blocked)))
        self._comings = Comings(self.snapshot, settings.on_demand_expiry)
        names = GatewayNames()
        self._pending = Pending()
        self._present = Presence(self._pending.wake.set)
        self._connected = Connected(self._comings, self._present, self._caller, self._connect, self._away)
        recordings = Recordings(self.snapshot, self._connected.all)
        self._sources = (*sources, self._keys, names, recordings, *self._comings.sources)
        self._trust = trust
        self.store = ObjectStore([source.name for source in self._sources])
        self._builder = _builder(settings)
        self.proving = proving(settings)
        self._pipeline = Pipeline(self._builder.snapshot, self.proving.wanted, self.proving.kept)
        self.advanced: list[Callable[[], None]] = []
        self.idle = asyncio.Event()  # nothing that the store has is still to be served
        self._rounds = 0
        self._serving = asyncio.Event()
        self.cache = SnapshotCache(settings=_SERVER, on_demand=self._connected.asked)
        self._served = Served(self.cache, self._secrets)
        self.custody = custody(trust, settings.certificate_lifetime, self.snapshot, self._served.renewed)
        stable = Stable(self._builder, self._pipeline, self._served, self.proving, self.cache)
        self.rollouts = Rollouts(settings, self.store, stable, self._pending.add, board)
        self._publication = Publication(self._pipeline, self.rollouts.others, self.proving, self._published)
        self.trial = Trial(self._pipeline, self.proving)
        self._succession = Succession(self._builder, self._publication, self._pending, self._keys, names, self.rollouts)
        self._tasks = Tasks()
        self.audit = Audit(self.snapshot, self.store.where)
        admit, released = self.audit.watching(self._connected.admit), self._connected.released
        self._server = Server(self.cache, admit=admit, released=released)
        self.findings = Findings(self.store, self._builder, self._pipeline.graph, sources)
        self.findings.also += [self._publication.blame(self._builder), self.rollouts.problems]
        self.telemetry = Telemetry(self.snapshot, lambda: self._present, time.time)
        self._connected.arrivals.append(lambda proxy, peer: self.telemetry.came(proxy, anew=peer.anew))
        counted, used = self.rollouts.sink(self.telemetry), HostsUsed(self._comings.demands, self._served.of)
        often = reports_for(settings.on_demand_expiry)
        self.failed = Failed(self.snapshot)
        reports = Reports(self.audit, self.failed, recordings, self._comings.machines, counted, used, often)
        reports.taken_by(self._server, self._connected)
        self.ports = Ports(self._server, settings, trust, self.custody, self.snapshot)
        objects = ObjectPages(Live(self.cache), self.store, self.findings, self._publication.history, self._working_on)
        self.convergence = Convergence(self.cache, self.store, objects, self.audit, self.telemetry.known, self.custody)
        self.convergence.ready_when.append(self._serving.is_set)
        self.convergence.recorded_by = recordings.page
        self.observe(self._publication.history)
        self.metrics = _metrics(self, self._publication)

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def wait(self) -> None:
        """Return never, or raise what has ended a part of the control plane."""
        await self._tasks.wait()

    def observe(self, observer: Observer) -> None:
        """Tell ``observer`` of every answer of a proxy from now on."""
        self.cache.observers.append(observer)

    async def until_synced(self, limit: timedelta) -> None:
        """Return when all that the sources have told is served, and every connected proxy has acknowledged it.

        Errors: Rejected when a proxy has refused some of it; TimeoutError, with the names of those that lag.
        """

        async def all_of_it() -> list[Rejection]:
            while True:
                await self.idle.wait()
                looked_at = (self._rounds, set(self._present))
                refused = await self.convergence.refused(map(group_of, self._present))
                if self.idle.is_set() and looked_at == (self._rounds, set(self._present)):
                    return refused

        await self.convergence.within(limit, all_of_it())

    async def _start(self) -> None:
        self._publication.history.tries = partial(tries, self.rollouts)
        answers = Answers(self.cache, self.store, self.findings, self.snapshot)
        answers.failures = self.failed.lately
        told = Told(self.convergence, answers, self.snapshot, self.rollouts, self.failed, self.writers)
        self._tasks.begin_all(pages(self._settings, told, self._tasks.ending))
        if self.custody is not None:
            await self.custody.open()  # in a cluster that may take as long as the API server is away
            self._tasks.begin_all(self.custody.work(self.cache, self._connected.of))
        self._tasks.begin_all(await self._publication.work())
        self._tasks.begin_all(traces.work(self._settings, self._publication.history))
        for source in self._sources:
            self._tasks.begin(self._read(source), f"source {source.name}")
        await self.rollouts.open(self._away)
        self._tasks.begin(self._work(), "pipeline")
        self._tasks.begin(self.findings.watch(), "findings")
        self._tasks.begin(self.rollouts.run(self._publication.show, self.findings.changed), "rollouts")
        self._tasks.begin(self.metrics.watch(), "event loop lag")
        await self._tasks.until(self._serving)
        self._tasks.begin_all(self.ports.open())
        await self._server.start()

    async def _end(self) -> None:
        await self._server.stop()
        self._present.close()
        await self._tasks.end(by_themselves=NAMES)
        await self.proving.close()

    def ca_counsel(self) -> dict[str, Any]:
        """What other control planes of the mesh must know of this one's CA, as JSON types; empty without one."""
        return {} if self.custody is None else self.custody.counsel(self.cache, self._connected.of).plain()

    @property
    def machines(self) -> Machines:
        """The machines that have joined by themselves."""
        return self._comings.machines

    def snapshot(self) -> Snapshot:
        """The mesh as it is now."""
        return self._builder.snapshot

    @property
    def graph(self) -> Graph:
        """What is made of it; for makers' calls in the event loop, while nothing is pending (``idle``)."""
        return self._pipeline.graph

    def _working_on(self, ref: ObjectRef) -> bool:
        return ref in self._pending or ref in self.rollouts.held or self._publication.history.working_on(ref)

    # -- from the sources

    async def _read(self, source: Source) -> None:
        async for transaction in source.changes():
            touched = self.store.apply(transaction)
            self.metrics.told(touched, lambda ref: self.store.get(ref) is not None)
            self._publication.history.reading(touched, transaction.began)
            self.findings.changed()
            self.idle.clear()
            self._pending.add(touched)

    async def _work(self) -> None:
        """Turn what has changed into the next generation, again and again; endpoints do not wait for the rest."""
        wake = self._pending.wake
        while True:
            if not wake.is_set():
                self.idle.set()
            await wake.wait()
            self.idle.clear()
            self._rounds += 1
            wake.clear()
            if not self.store.synced:
                continue
            if self._serving.is_set():
                await self._succession.endpoints_first(self._settings.debounce)
            pending = self._pending.take()
            self.metrics.triggered(pending)
            if pending or not self._serving.is_set():
                await self._succession.advance(pending)
            await self._see_off()
            if not self._serving.is_set():
                self._serving.set()
                log.info(Event.GENERATION_READY, objects=len(self.store))

    def _published(self) -> None:
        self.ports.follow_mesh()
        self.findings.changed()
        for told in self.advanced:
            told()

    # -- to the proxies

    def _away(self) -> bool:
        return any_stands_in(self._sources)

    async def _connect(self, proxy: Proxy) -> None:
        await self._publication.connect(proxy)
        self.rollouts.came(proxy)

    async def _caller(self, peer: Peer) -> Caller | None:
        return await caller_of(peer, self._trust, anonymous=self._settings.anonymous)

    def _secrets(self, proxy: Proxy) -> Secrets:
        return () if self.custody is None else self.custody.secrets(proxy)

    async def _see_off(self) -> None:
        left = await self._publication.disconnect(self._present.take_leaving)
        self.telemetry.left(left)
        for proxy in left:
            self._connected.forget(proxy)
            self.rollouts.left(proxy)
            if self.custody is not None:
                self.custody.forget(proxy)


def _metrics(of: ControlPlane, publication: Publication) -> Metrics:
    """What ``of`` counts of itself, told by those who know of it, and told on its page."""
    shown = of.convergence
    metrics = Metrics(lambda *kind: len(of.store.of_kind(*kind)), shown.ca, of.snapshot, shown.problems)
    of.observe(metrics)
    of.ports.certificates_answered.append(metrics.ca.answered)
    shown.counted_by += [publication.metrics, metrics.metrics]
    return metrics


def _builder(settings: Settings) -> Builder:
    return Builder(
        domain=settings.domain,
        cluster=settings.cluster_id,
        gateway_controllers=settings.served_gateway_controllers,
        examine=examined,
    )
