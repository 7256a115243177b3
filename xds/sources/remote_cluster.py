"""One remote cluster while it is read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client

from xds.model.refs import FieldRef, ObjectRef
from xds.sources.kubernetes import KubernetesSource
from xds.sources.remote_access import Access
from xds.sources.remote_health import RemoteHealth
from xds.sources.remote_kubeconfig import Kubeconfig


@dataclass(slots=True, eq=False)
class Remote:
    """A cluster that ``told`` tells of, and its source.

    ``held`` are the names of its objects that were told of, ``places`` where it had findings; ``overdue`` is whether
    others have stopped waiting for it.
    """

    told: Kubeconfig
    access: Access
    source: KubernetesSource
    held: set[ObjectRef]
    places: set[str] = field(default_factory=set)
    synced: bool = False
    overdue: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def trouble(self) -> str:
        """Why it cannot be read now; ``""`` where it can."""
        return next((each.problem for each in self.source.health().kinds.values() if each.problem), "")

    @property
    def late(self) -> str:
        """The place of the finding that it could not be read in time."""
        return f"{self.told.cluster}: not read"

    def health(self) -> RemoteHealth:
        """How well it is being read, now."""
        status = "synced" if self.synced else "timeout" if self.overdue else "syncing"
        return RemoteHealth(secret_of(self.told.at), status, self.trouble, self.source.health().kinds)

    def end(self) -> None:
        """Read it no more."""
        for task in self.tasks:
            task.cancel()


def source_of(told: Kubeconfig, reached: Access) -> KubernetesSource:
    """The source of a cluster's objects. Errors: NoCluster."""
    api: Any = client.ApiClient(reached.configuration)
    return KubernetesSource(api, name=f"kubernetes:{told.cluster}", cluster=told.cluster)


def secret_of(at: FieldRef) -> str:
    """The Secret, or the file, in which a kubeconfig stands."""
    return f"{at.object.namespace}/{at.object.name}" if at.object.namespace else at.object.name
