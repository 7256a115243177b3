"""Remote clusters as one source: their workloads and services, under the cluster's id, while their Secrets are there.

A cluster whose API server goes away keeps what it had; one whose Secret goes loses it at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog

from xds.events import Event
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.sources.changes import Changed, Replaced, Transaction
from xds.sources.kube_client import KubeClient
from xds.sources.kube_config import NoCluster
from xds.sources.kube_gathered import Gathered
from xds.sources.kube_kinds import kubeconfigs
from xds.sources.kube_retries import Reach
from xds.sources.kube_watch import KindWatch
from xds.sources.remote_access import access
from xds.sources.remote_cluster import Remote, secret_of, source_of
from xds.sources.remote_health import RemoteHealth, RemotesHealth
from xds.sources.remote_kubeconfig import Kubeconfig, of_secrets, wanted_of

log = structlog.get_logger()

_PATIENCE: Final = timedelta(seconds=30)

_AGAIN_S: Final = 5.0

Step = Callable[[], Changed | None]


class RemoteClusters:
    """The remote clusters of ``listed`` kubeconfigs, and of those in Secrets of the own cluster's root namespace.

    ``own`` is the own cluster's id, which no remote may have; ``api_client`` (kubernetes.client.ApiClient) reaches it,
    None where there is none. ``patience`` is how long a cluster that was not read yet holds up what is served; after
    that it counts as empty until it is read.
    """

    name: Final = "remote clusters"

    def __init__(
        self,
        own: str,
        listed: Iterable[Kubeconfig] = (),
        api_client: Any = None,
        root_namespace: str = "istio-system",
        patience: timedelta = _PATIENCE,
    ) -> None:
        self._own = own
        self._listed = tuple(listed)
        self._api = api_client
        self._root_namespace = root_namespace
        self._patience_s = patience.total_seconds()
        self._remotes: dict[str, Remote] = {}
        self._failed: dict[str, Problem] = {}  # by cluster: why its kubeconfig is not used
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._secrets: dict[ObjectRef, Mapping[str, str]] = {}
        self._known = api_client is None
        self._steps: asyncio.Queue[Step] = asyncio.Queue(1)
        self._tasks: list[asyncio.Task[None]] = []

    def health(self) -> RemotesHealth:
        """How well each cluster is being read, now."""
        found = {cluster: each.health() for cluster, each in self._remotes.items()}
        for cluster, problem in self._failed.items():
            if cluster not in found:
                found[cluster] = RemoteHealth(secret_of(problem.at), "failed", problem.message)
        return RemotesHealth({cluster: found[cluster] for cluster in sorted(found)})

    async def changes(self) -> AsyncGenerator[Transaction, None]:
        """A Changed for what comes of any cluster, and a Replaced that changes nothing when all have been read.

        Endless, and to be read once. Clusters that cannot be reached hold it up for so long as there is patience.
        """
        self._spawn(self._follow(), "remote clusters")
        begun = False
        try:
            while True:
                step = await self._steps.get()
                if (change := step()) is not None:
                    self._problems.update(() if begun else change.problems)
                    yield change
                if not begun and self._all_read():
                    begun = True
                    yield self._all()
        finally:
            tasks = [*self._tasks, *(task for each in self._remotes.values() for task in each.tasks)]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def locate(self, at: FieldRef, origin: Origin) -> Origin:
        """``origin``: objects of the API have no lines."""
        return origin

    # -- which clusters there are

    async def _follow(self) -> None:
        """Keep up with the kubeconfigs, for ever."""
        await self._reconcile()
        await self._steps.put(_nothing)
        if self._api is None:
            return
        self._spawn(self._give_up_waiting(), "remote clusters: patience")
        while True:
            try:
                await self._follow_secrets()
            except Exception:  # a bug of ours costs time, not the clusters
                log.exception(Event.WATCH_FAILED, source=self.name, kind="secrets")
            await asyncio.sleep(_AGAIN_S)

    async def _follow_secrets(self) -> None:
        gathered, name = Gathered(self.name), f"kubernetes:{self._own}"
        kube = KubeClient(self._api.configuration)
        watch = KindWatch(kubeconfigs(self._root_namespace), kube, gathered, Reach(name), name)
        watching = asyncio.create_task(watch.run(), name="remote clusters: kubeconfigs")
        try:
            while True:
                await gathered.news()
                change = gathered.changed() or Changed(self.name)
                self._secrets |= {each.ref: each.struct.data for each in change.upserts}
                for ref in change.deletes:
                    self._secrets.pop(ref, None)
                if change.problems:
                    await self._steps.put(partial(Changed, self.name, problems=change.problems))
                if watch.synced:
                    await self._reconcile()
                    self._known = True
                    await self._steps.put(_nothing)
        finally:
            watching.cancel()
            await kube.aclose()

    async def _give_up_waiting(self) -> None:
        await asyncio.sleep(self._patience_s)
        if not self._known:
            self._known = True
            await self._steps.put(_nothing)

    async def _reconcile(self) -> None:
        """Read those clusters that kubeconfigs tell of now, and no others."""
        wanted, problems = wanted_of(self._own, (*self._listed, *of_secrets(self._secrets)))
        for cluster in sorted(self._remotes.keys() - wanted.keys()):
            await self._forget(cluster)
        for cluster, told in wanted.items():
            current = self._remotes.get(cluster)
            if current is not None and current.told.fingerprint == told.fingerprint:
                self._remotes[cluster].told = told
                continue
            try:
                self._begin(told)
            except NoCluster as error:
                kept = "; what it was read with before stays" if current is not None else ""
                problems[cluster] = Problem(told.at, "remote.kubeconfig", f"{error}{kept}")
        if problems != self._failed:
            for cluster, problem in problems.items():
                if self._failed.get(cluster) != problem:
                    log.error(Event.REMOTE_CLUSTER_REFUSED, cluster=cluster, reason=problem.message)
            told_of = dict.fromkeys(self._failed, ()) | {name: (each,) for name, each in problems.items()}
            self._failed = problems
            found = {f"kubeconfig of {name}": each for name, each in told_of.items()}
            await self._steps.put(lambda: Changed(self.name, problems=found))

    def _begin(self, told: Kubeconfig) -> None:
        """Read a cluster from now on; of the one that was read before, what it had stays until this one tells what is.

        Errors: NoCluster.
        """
        reached = access(told.content)
        try:
            source = source_of(told, reached)
        except NoCluster:
            reached.close()
            raise
        before = self._remotes.get(told.cluster)
        remote = Remote(told, reached, source, before.held if before is not None else set())
        if before is not None:
            remote.synced, remote.places = before.synced, before.places
            before.end()
        self._remotes[told.cluster] = remote
        remote.tasks = [
            asyncio.create_task(self._read(remote), name=f"remote cluster {told.cluster}"),
            asyncio.create_task(self._watch_the_clock(remote), name=f"remote cluster {told.cluster}: patience"),
        ]
        remote.tasks[0].add_done_callback(lambda _: reached.close())
        log.info(Event.REMOTE_CLUSTER_ADDED, cluster=told.cluster, at=str(told.at))

    async def _forget(self, cluster: str) -> None:
        remote = self._remotes.pop(cluster)
        remote.end()
        log.info(Event.REMOTE_CLUSTER_REMOVED, cluster=cluster)

        def gone() -> Changed:
            deletes, places = tuple(sorted(remote.held)), dict.fromkeys(remote.places, ())
            remote.held.clear()
            return Changed(self.name, deletes=deletes, problems=places)

        await self._steps.put(gone)

    # -- what they have

    async def _read(self, remote: Remote) -> None:
        """Tell of all changes in a cluster, for ever."""
        while True:
            try:
                await self._follow_one(remote)
            except Exception:  # a bug of ours costs time, not the cluster
                log.exception(Event.WATCH_FAILED, source=remote.source.name, kind="*")
            await asyncio.sleep(_AGAIN_S)
            remote.source = source_of(remote.told, remote.access)

    async def _follow_one(self, remote: Remote) -> None:
        async with aclosing(remote.source.changes()) as changes:
            async for transaction in changes:
                await self._steps.put(partial(self._told, remote, transaction))

    def _told(self, remote: Remote, transaction: Transaction) -> Changed | None:
        """What a cluster tells, as a change in all of them."""
        if self._remotes.get(remote.told.cluster) is not remote:
            return None
        if isinstance(transaction, Replaced):
            present = {each.ref for each in transaction.objects} | transaction.kept
            upserts, deletes = transaction.objects, tuple(sorted(remote.held - present))
            remote.synced, remote.overdue = True, False
        else:
            upserts, deletes = transaction.upserts, transaction.deletes
        remote.held.difference_update(deletes)
        remote.held.update(each.ref for each in upserts)
        problems = {f"{remote.told.cluster}: {place}": found for place, found in transaction.problems.items()}
        remote.places.update(problems)
        if isinstance(transaction, Replaced):
            problems = {place: problems.get(place, ()) for place in sorted({*problems, *remote.places, remote.late})}
        return Changed(self.name, upserts, deletes, problems)

    async def _watch_the_clock(self, remote: Remote) -> None:
        """Say so when a cluster is not read within the time that others wait for it."""
        await asyncio.sleep(self._patience_s)
        if remote.synced:
            return
        remote.overdue = True
        why = remote.trouble or "it does not answer"
        log.error(Event.REMOTE_CLUSTER_NOT_READ, cluster=remote.told.cluster, waited_s=self._patience_s, error=why)
        message = f"cannot be read, and counts as empty until it is: {why}"
        found = (Problem(remote.told.at, "remote.not-read", message, Severity.WARNING),)

        def late() -> Changed | None:
            if remote.synced or self._remotes.get(remote.told.cluster) is not remote:
                return None
            remote.places.add(remote.late)
            return Changed(self.name, problems={remote.late: found})

        await self._steps.put(late)

    def _all_read(self) -> bool:
        return self._known and all(each.synced or each.overdue for each in self._remotes.values())

    def _all(self) -> Replaced:
        """That all that was told is all there is."""
        held = frozenset(ref for each in self._remotes.values() for ref in each.held)
        return Replaced(self.name, (), held, self._problems)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))


def _nothing() -> None:
    return None
