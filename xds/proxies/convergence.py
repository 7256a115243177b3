"""What the control plane knows of its proxies and objects, as the admin pages and commands ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

import msgspec

from xds.admin import refusals
from xds.admin.exposition import Metric
from xds.admin.status import CaReport, KnownObject, ProxySync, SentResource, Sync, TypeSync
from xds.admin.telemetry import metrics as telemetry_metrics
from xds.audit.audit import Audit
from xds.audit.naming import WorkloadSecurity
from xds.audit.record import Record
from xds.history.object_pages import ObjectPages
from xds.identity.custody import Custody
from xds.model.problem import Problem
from xds.model.refs import ObjectRef
from xds.server import Rejected, Rejection, SnapshotCache, State, StreamStatus, TypeStatus
from xds.sources.changes import Watching
from xds.sources.store import ObjectStore
from xds.telemetry.known import Known
from xds.wire.codec import to_plain
from xds.wire.resource import Resource
from xds.wire.type_urls import short

REDACTED: Final = "[redacted]"
# Fields of transport_sockets.tls.v3.Secret and its parts.
_SECRET_FIELDS: Final = frozenset({"private_key", "password", "session_ticket_keys", "generic_secret", "pkcs12"})
_SYNC = {
    State.SYNCED: Sync.SYNCED,
    State.STALE: Sync.STALE,
    State.REJECTED: Sync.REJECTED,
    State.NOT_SENT: Sync.NOT_SENT,
}


class Convergence:
    """The answers of ``admin.status.Status``, from the cache and the store.

    What stands in ``ready_when`` is asked too, when somebody wants to know whether the control plane is ready.
    """

    def __init__(
        self,
        cache: SnapshotCache,
        store: ObjectStore,
        objects: ObjectPages,
        audit: Audit,
        telemetry: Known,
        custody: Custody | None,
    ) -> None:
        self.ready_when: list[Callable[[], bool]] = []
        self.counted_by: list[Callable[[], Iterable[Metric]]] = []
        """Who else counts something."""

        self.recorded_by: Callable[[Mapping[str, str]], Mapping[str, Any] | None] = lambda query: None
        """Who answers for recordings."""

        self._custody = custody
        self._audit = audit
        self._telemetry = telemetry
        self._cache = cache
        self._store = store
        self._objects = objects
        self._findings = objects.findings

    def ready(self) -> bool:
        """Whether a first generation is served, and all else that others wait for is there."""
        return all(ready() for ready in self.ready_when)

    def syncz(self) -> Sequence[ProxySync]:
        """The connected proxies, sorted by node id."""
        return [_proxy(status, self._sizes(status.group)) for status in self._cache.statuses()]

    def config_dump(self, proxy: str) -> Sequence[SentResource] | None:
        """What the proxy of that node id was sent, sorted by type and name; None when it is not connected."""
        groups = [status.group for status in self._cache.statuses() if status.node.id == proxy]
        served = self._cache.get(groups[0]) if groups else None
        if served is None:
            return None
        resources = [table[name] for tables in served.layers.values() for table in tables for name in table]
        return [self._sent(each) for each in sorted(resources, key=lambda r: (short(r.type_url), r.name))]

    def problems(self) -> Sequence[Problem]:
        """What is wrong with what the sources hold now."""
        return self._findings.problems

    def objects(self) -> Iterable[KnownObject]:
        """The objects in force, sorted."""
        return [KnownObject(each.ref, each.origin, each.generation) for each in self._store]

    def sources(self) -> Mapping[str, Any]:
        """How well sources are being read, those that can tell, by name; JSON types."""
        watching = [each for each in self._findings.sources if isinstance(each, Watching)]
        return {each.name: msgspec.to_builtins(each.health()) for each in watching}

    def ca(self) -> CaReport | None:
        """The mesh's certificate authority; None where there is none."""
        return self._custody.report() if self._custody is not None else None

    async def refused(self, groups: Iterable[str]) -> list[Rejection]:
        """What the proxies of these groups have refused, when each has answered what it was sent."""
        found = list[Rejection]()
        for group in groups:
            try:
                await self._cache.acked(group)
            except Rejected as rejected:
                found += rejected.rejections
        return found

    async def within(self, limit: timedelta, answers: Awaitable[list[Rejection]]) -> None:
        """Return when ``answers`` has come, and there is no refusal in it.

        Errors: Rejected; TimeoutError, with the names of proxies that lag.
        """
        try:
            async with asyncio.timeout(limit.total_seconds()):
                refused = await answers
        except TimeoutError:
            lagging = sorted(each.node.id for each in self._cache.statuses() if not each.synced)
            raise TimeoutError(f"not in sync: {', '.join(lagging) or 'the control plane itself'}") from None
        if refused:
            raise Rejected(refused)

    def metrics(self) -> Iterable[Metric]:
        """Counters beside those that the pages count themselves."""
        yield from refusals.metrics(self._audit.record)
        yield from telemetry_metrics(self._telemetry)
        for metrics in self.counted_by:
            yield from metrics()

    def refusals(self) -> Record:
        """What sidecars have refused."""
        return self._audit.record

    def telemetry(self) -> Known:
        """What proxies have counted in the last hour."""
        return self._telemetry

    def record(self, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        """A recording that a query begins or reads; None where there is none. Errors: ValueError, of the query."""
        return self.recorded_by(query)

    async def live(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        """How the object that the query names does."""
        return await self._objects.live(query)

    async def history(self, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        """The latest generations, or one; None where there is no such. Errors: ValueError, of the query."""
        return await self._objects.history(query)

    def workloads(self) -> Iterable[WorkloadSecurity]:
        """All workloads, and what each takes from its callers."""
        return self._audit.workloads()

    def _sizes(self, group: str) -> Mapping[str, int]:
        served = self._cache.get(group)
        return {url: sum(map(len, tables)) for url, tables in served.layers.items()} if served is not None else {}

    def _sent(self, resource: Resource) -> SentResource:
        return SentResource(
            type=short(resource.type_url),
            name=resource.name,
            version=resource.version,
            provenance=[self._known(ref) for ref in resource.provenance],
            plain=partial(_plain, resource),
        )

    def _known(self, ref: ObjectRef) -> KnownObject:
        found = self._store.get(ref)
        return KnownObject(ref, found.origin, found.generation) if found is not None else KnownObject(ref)


def _plain(resource: Resource) -> Mapping[str, Any]:
    plain: Mapping[str, Any] = _without_keys(to_plain((resource.type_url, resource.body)))
    return plain


def _without_keys(value: Any) -> Any:
    """``value`` with private keys, passwords and other secrets blanked, as Envoy's own dump has them."""
    if isinstance(value, list):
        return [_without_keys(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: REDACTED if key in _SECRET_FIELDS else _without_keys(each) for key, each in value.items()}


def _proxy(status: StreamStatus, sizes: Mapping[str, int]) -> ProxySync:
    metadata = status.node.metadata
    return ProxySync(
        id=status.node.id,
        name=str(metadata.get("NAME") or status.node.id),
        namespace=str(metadata.get("NAMESPACE") or ""),
        workload=str(metadata.get("WORKLOAD_NAME") or ""),
        cluster=str(metadata.get("CLUSTER_ID") or ""),
        envoy=status.node.version,
        connected_since=status.since,
        types={short(each.type_url): _type(each, sizes.get(each.type_url, 0)) for each in status.types},
    )


def _type(status: TypeStatus, resources: int) -> TypeSync:
    return TypeSync(
        state=_SYNC[status.state],
        version=status.version,
        since=status.since,
        resources=resources,
        rejected=status.rejected,
    )
