"""A Kubernetes cluster as a source: all kinds that shape the mesh, listed once and watched from then on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import structlog

from xds.events import Event
from xds.model.refs import FieldRef, Origin
from xds.sources.changes import Transaction
from xds.sources.kube_client import KubeClient
from xds.sources.kube_gathered import Gathered
from xds.sources.kube_health import KubeHealth
from xds.sources.kube_kinds import remote_kinds, watched_kinds
from xds.sources.kube_retries import Reach
from xds.sources.kube_watch import KindWatch

log = structlog.get_logger()


class KubernetesSource:
    """What a cluster's API server serves. ``api_client`` is a ``kubernetes.client.ApiClient``, as ``connect`` makes.

    ``root_namespace`` and ``revision`` tell the ConfigMap of the mesh's settings: ``istio``, or ``istio-<revision>``.
    Of a remote ``cluster`` only what tells where its workloads are is read, and its objects' names say so.
    Errors: NoCluster where the files of its credentials cannot be read, or the API server would not be verified.
    """

    def __init__(
        self,
        api_client: Any,
        *,
        name: str = "kubernetes",
        root_namespace: str = "istio-system",
        revision: str = "default",
        cluster: str = "",
    ) -> None:
        self._name = name
        self._client = KubeClient(api_client.configuration)
        self._watched = remote_kinds(cluster) if cluster else watched_kinds(root_namespace, revision)
        self._watches: tuple[KindWatch, ...] = ()

    @property
    def name(self) -> str:
        """What it was named; origins are ``NAME@RESOURCE_VERSION``."""
        return self._name

    @property
    def synced(self) -> bool:
        """Whether all kinds have been listed once."""
        return bool(self._watches) and all(watch.synced for watch in self._watches)

    @property
    def away(self) -> bool:
        """Whether the API server has not answered at all yet."""
        found = tuple(watch.health() for watch in self._watches)
        return bool(found) and all(each.problem and each.last_contact_s is None for each in found)

    def health(self) -> KubeHealth:
        """How well each kind is being read, now; of no kind before ``changes`` is read."""
        return KubeHealth({watch.name: watch.health() for watch in self._watches})

    async def changes(self) -> AsyncGenerator[Transaction, None]:
        """One Replaced when all kinds have been listed, then one Changed per burst of events; to be read once.

        Endless: an API server that is gone, slow or says nonsense takes nothing away, and is asked again.
        """
        gathered = Gathered(self._name)
        reach = Reach(self._name)
        self._watches = tuple(KindWatch(each, self._client, gathered, reach, self._name) for each in self._watched)
        tasks = [asyncio.create_task(watch.run(), name=f"watch {watch.name}") for watch in self._watches]
        try:
            while not self.synced:
                await gathered.news()
            first = gathered.all()
            log.info(Event.SOURCE_SYNCED, source=self._name, objects=len(first.objects))
            yield first
            while True:
                await gathered.news()
                await asyncio.sleep(0)  # lets in what has arrived in the same turn
                change = gathered.changed()
                if change is not None:
                    yield change
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._client.aclose()

    def locate(self, at: FieldRef, origin: Origin) -> Origin:
        """``origin``: objects of the API have no lines."""
        return origin
