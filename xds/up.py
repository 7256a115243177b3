"""`plait up`: a control plane and a local mesh, joined. Manifests decide what runs, what runs decides the endpoints."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from ca.directory_store import DirectoryStore
from ca.store import MemoryStore
from xds.app import ControlPlane
from xds.callers.authenticate import Authenticator
from xds.callers.join_tokens import JoinTokens
from xds.callers.tokens import Tokens
from xds.identity.trust import Trust
from xds.kinds.authored import Authored
from xds.kinds.endpoint_slice import EndpointSlice
from xds.kinds.service import Service
from xds.local import sidecar
from xds.local.cluster import ORIGIN, addressed, endpoint_slices, running_pod
from xds.local.directory import entry_hosts, local_services
from xds.local.mesh import LocalMesh
from xds.local.node import RUN_DIR
from xds.local.output import Sink
from xds.local.pod_tokens import PodTokens
from xds.local.pods import Phase, PodSpec, PodStatus
from xds.local.settings import LocalSettings
from xds.local.workloads import pod_specs
from xds.machines.joining import Joining, joinable
from xds.model.identity import TrustDomains
from xds.model.object import Object
from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.server import Rejected
from xds.settings import Settings
from xds.sources.changes import Changed, ProblemsByPlace, Replaced, Source, Transaction
from xds.sources.files import FileSource, Loaded, load
from xds.sources.store import ObjectStore

XDS_SOCKET = "xds"
HTTP_SOCKET = "http"
JOIN_SOCKET = "join"
# How long a pod that is to end goes on serving for proxies that have not acknowledged that it will.
_PATIENCE = timedelta(seconds=10)
# Objects that only the local runner reads: the cluster's controllers would turn them into Pods.
_TEMPLATES = frozenset({"Deployment", "StatefulSet", "Job"})


class LocalCluster:
    """A source that is a cluster in small: the objects of ``manifests``, and what their running makes of them."""

    def __init__(self, manifests: Source, mesh: LocalMesh, settings: LocalSettings) -> None:
        self._manifests = manifests
        self._mesh = mesh
        self._settings = settings
        self._service_networks = tuple(services for _, services in settings.networks)
        self._store = ObjectStore([manifests.name])
        self._problems: ProblemsByPlace = {}
        self._specs: dict[tuple[str, str], PodSpec] = {}
        self._told: dict[ObjectRef, Object[Authored]] = {}
        self._wake = asyncio.Event()
        self.applied = asyncio.Event()
        self._turned = asyncio.Event()
        self._applying: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The manifests' own name."""
        return self._manifests.name

    def locate(self, at: FieldRef, origin: Origin) -> Origin:
        """The place of a field, as the manifests tell."""
        return self._manifests.locate(at, origin)

    async def changes(self) -> AsyncGenerator[Transaction, None]:
        """All objects once, then what changes in the manifests or in the state of the pods."""
        tasks = [asyncio.create_task(self._read(), name="manifests"), asyncio.create_task(self._watch(), name="pods")]
        try:
            while True:
                await self._woken(tasks)
                news = self._news() if self._store.synced else None
                self._turned.set()
                if news is not None:
                    yield news
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _woken(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        """Return when there may be news. Errors: whatever has ended one of the tasks."""
        waking = asyncio.create_task(self._wake.wait())
        try:
            done, _ = await asyncio.wait([waking, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
        for task in done - {waking}:
            task.result()  # a source that ends has failed
        self._wake.clear()

    async def _read(self) -> None:
        try:
            await self._follow()
        finally:
            if self._applying is not None:
                self._applying.cancel()
                await asyncio.gather(self._applying, return_exceptions=True)

    async def _follow(self) -> None:
        async for transaction in self._manifests.changes():
            self._store.apply(transaction)
            kept = self._problems if isinstance(transaction, Changed) else {}
            self._problems = {**kept, **transaction.problems}
            specs = pod_specs(self._store)
            self._specs = {(spec.namespace, spec.name): spec for spec in specs}
            self.applied.clear()
            self._wake.set()
            if self._applying is not None:
                await self._applying
            self._applying = asyncio.create_task(self._apply(specs), name="apply pods")

    async def _apply(self, specs: Iterable[PodSpec]) -> None:
        wanted = tuple(specs)
        await self._mesh.apply(wanted)
        if wanted == tuple(self._specs.values()):  # else the next round is under way
            self.applied.set()

    def current(self, on_disk: Loaded) -> bool:
        """Whether the control plane has been told of these manifests, and of the pods as they are now."""
        held = {each.ref: each for each in self._store}
        wanted = {each.ref: each.struct for each in on_disk.objects}
        broken = {problem.origin.source for problem in on_disk.problems if problem.origin is not None}
        left_over = [ref for ref in held.keys() - wanted.keys() if held[ref].origin.source not in broken]
        if left_over or any(ref not in held or held[ref].struct != struct for ref, struct in wanted.items()):
            return False
        same_findings = set(on_disk.problems) == set(self._store.problems())
        return same_findings and not self._wake.is_set() and self._objects() == self._told

    async def until_current(self, on_disk: Loaded) -> None:
        """Return when ``current`` holds."""
        while not self.current(on_disk):
            self._turned.clear()
            await self._turned.wait()

    async def until_told(self) -> None:
        """Return when the control plane has been told of the pods as they are now."""
        while self._wake.is_set() or self._objects() != self._told:
            self._turned.clear()
            await self._turned.wait()

    async def _watch(self) -> None:
        async for _ in self._mesh.changes():
            self._wake.set()

    def _news(self) -> Transaction | None:
        objects = self._objects()
        first = not self._told
        upserts = tuple(each for ref, each in objects.items() if self._told.get(ref) != each)
        deletes = tuple(ref for ref in self._told if ref not in objects)
        problems, self._problems = self._problems, {}
        if first or upserts or deletes:
            self._tell_mesh(objects.values())
        self._told = objects
        if first:
            return Replaced(self.name, upserts, problems=problems)
        return Changed(self.name, upserts, deletes, problems) if upserts or deletes or problems else None

    def _objects(self) -> dict[ObjectRef, Object[Authored]]:
        authored = {each.ref: each for each in self._store if each.ref.kind not in _TEMPLATES | {"Pod"}}
        for ref, struct in addressed(authored.values(), *self._service_networks).items():
            known = authored[ref]
            authored[ref] = Object(ref, struct, known.origin, known.generation)
        services = {ref: each.struct for ref, each in authored.items() if isinstance(each.struct, Service)}
        statuses = self._statuses()
        made = dict(endpoint_slices(services, statuses))
        for status in statuses:
            spec = self._specs.get((status.namespace, status.name))
            if spec is not None:
                takes_tls = status.sidecar and not (spec.router or self._settings.loopback)
                ref, pod = running_pod(spec, status, takes_tls=takes_tls)
                made[ref] = pod
        return authored | {ref: Object(ref, struct, ORIGIN) for ref, struct in made.items()}

    def _statuses(self) -> tuple[PodStatus, ...]:
        return tuple(status for status in self._mesh.statuses.values() if status.phase is not Phase.GONE)

    def _tell_mesh(self, objects: Collection[Object[Authored]]) -> None:
        """Make the services resolvable and reachable in the pods."""
        structs = [each.struct for each in objects]
        services = {each.ref: each.struct for each in objects if isinstance(each.struct, Service)}
        slices = [struct for struct in structs if isinstance(struct, EndpointSlice)]
        self._mesh.set_services(local_services(services, slices), entry_hosts(structs))


class Up:
    """A running local mesh with its control plane."""

    def __init__(self, mesh: LocalMesh, control_plane: ControlPlane, cluster: LocalCluster, manifests: Path) -> None:
        self.mesh = mesh
        self.control_plane = control_plane
        self._cluster = cluster
        self._manifests = manifests

    async def until_ready(self, limit: timedelta) -> None:
        """Return when every pod is ready and every proxy has acknowledged what it was sent.

        Errors: TimeoutError, with the names of those that are not.
        """
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await self._cluster.applied.wait()
        except TimeoutError:
            raise TimeoutError("the pods of the manifests are not started") from None
        await self.mesh.until_ready(limit)
        await self.mesh.services_loaded()
        await self.control_plane.until_synced(limit)

    async def until_told(self) -> None:
        """Return when every proxy has acknowledged the state of the pods as it is now; one that does not is not waited
        for longer than ``_PATIENCE``.
        """
        with contextlib.suppress(TimeoutError, Rejected):
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                await self._cluster.until_told()
                await self.control_plane.until_synced(_PATIENCE)

    async def until_current(self, limit: timedelta) -> None:
        """Return when the manifests, as they are on disk now, are what runs and what every proxy has acknowledged.

        Errors: as ``until_ready``, and Rejected when a proxy has refused some of it.
        """
        on_disk = await asyncio.to_thread(load, self._manifests)
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await self._cluster.until_current(on_disk)
                await self.until_ready(limit)
                while not self._cluster.current(on_disk):  # pods that have just become ready, for one
                    await self._cluster.until_current(on_disk)
                    await self.until_ready(limit)
        except TimeoutError as error:
            raise TimeoutError(str(error) or "the manifests are not taken in, or pods come and go") from None


@contextlib.asynccontextmanager
async def up(manifests: Path, settings: LocalSettings, sink: Sink) -> AsyncIterator[Up]:
    """The manifests, running on this machine until the context is left. Errors: as LocalMesh, and OSError."""
    joining = JoinTokens()
    tokens = PodTokens(partial(_token, joining))
    store = DirectoryStore(settings.ca_dir) if settings.ca_dir is not None else MemoryStore()
    trust = Trust(Authenticator([Tokens(TrustDomains().own, joining.keys)]), store)
    bootstrap_for = sidecar.bootstraps(settings, XDS_SOCKET, tokens=True)
    async with LocalMesh(settings, bootstrap_for, sink, tokens=tokens) as mesh:
        cluster = LocalCluster(FileSource(manifests), mesh, settings)
        listening = Settings(
            xds="",
            xds_plaintext=f"unix:{mesh.socket_path(XDS_SOCKET)}",
            anonymous=False,
            certificate_lifetime=settings.certificate_lifetime,
            jwks_refresh=settings.jwks_refresh,
            on_demand_expiry=settings.on_demand_expiry,
            otlp=settings.otlp,
            http=f"unix:{mesh.socket_path(HTTP_SOCKET)}",
        )
        async with ControlPlane(listening, (cluster,), trust) as control_plane, _machines(mesh, control_plane, joining):
            mesh.open_to_proxies(XDS_SOCKET)
            running = Up(mesh, control_plane, cluster, manifests)
            mesh.ask_before_stopping(running.until_told)
            yield running


def _machines(
    mesh: LocalMesh, control_plane: ControlPlane, joining: JoinTokens
) -> contextlib.AbstractAsyncContextManager[None]:
    """What lets machines join, where pods have namespaces: on loopback there is no machine but this one."""
    if mesh.loopback:
        return contextlib.nullcontext()

    def issue(namespace: str, account: str, name: str, lifetime: timedelta) -> str:
        return joining.issue(namespace, account, name, now=datetime.now(UTC), lifetime=lifetime)

    page = Joining(control_plane.snapshot, issue, f"unix:{RUN_DIR / XDS_SOCKET}")
    return joinable(page, mesh.socket_path(JOIN_SOCKET))


def _token(joining: JoinTokens, spec: PodSpec, lifetime: timedelta) -> str:
    return joining.issue(spec.namespace, spec.service_account, spec.name, now=datetime.now(UTC), lifetime=lifetime)
