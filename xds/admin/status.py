"""What the admin pages tell: the values and the one Protocol through which they ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from xds.admin.exposition import Metric
from xds.audit.naming import WorkloadSecurity
from xds.audit.record import Record
from xds.model.problem import Problem
from xds.model.refs import ObjectRef, Origin
from xds.telemetry.known import Known


class Sync(StrEnum):
    """How far a proxy is with one type of resource; the words of ``plait proxy-status``."""

    SYNCED = "SYNCED"
    STALE = "STALE"
    REJECTED = "REJECTED"
    NOT_SENT = "NOT SENT"


@dataclass(frozen=True, slots=True)
class TypeSync:
    """One type of one proxy: SYNCED all acknowledged, STALE a response waits for its ACK, REJECTED a NACK stands.

    ``version`` is that of all it should hold, ``resources`` their number; ``since`` is when ``state`` began;
    ``rejected`` are the resources that it refused and that are still wanted: (name, Envoy's reason).
    """

    state: Sync
    version: str = ""
    since: datetime | None = None
    resources: int = 0
    rejected: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ProxySync:
    """One connected proxy. ``id`` is its node id, ``types`` is by short name (``cds``), ``envoy`` its version."""

    id: str
    name: str
    namespace: str = ""
    workload: str = ""
    cluster: str = ""
    envoy: str = ""
    connected_since: datetime | None = None
    types: Mapping[str, TypeSync] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """``pod.namespace``; the node id of a proxy that has no namespace."""
        return f"{self.name}.{self.namespace}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class SentResource:
    """A resource that a proxy was sent, with the authored objects behind it. ``type`` is the short name (``cds``).

    ``plain`` gives the message in protobuf's JSON with proto field names; it may be called in another thread.
    """

    type: str
    name: str
    version: str
    provenance: Sequence[KnownObject]
    plain: Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class KnownObject:
    """An object that is in force: its name, the place that it was read at, its generation (0: unknown)."""

    ref: ObjectRef
    origin: Origin | None = None
    generation: int = 0


@dataclass(frozen=True, slots=True)
class CaReport:
    """What people are told of the CA: fingerprints of roots, the phase and what holds it, and what is about to end.

    ``signer`` is the root of who signs now, ``not_after`` when that one's certificate ends.
    """

    phase: str
    since: datetime
    signer: str
    roots: tuple[str, ...]
    not_after: datetime
    blocked_by: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Status(Protocol):
    """Who can tell the state of a control plane. All methods are called in its event loop; most return at once."""

    def ready(self) -> bool:
        """Whether a first generation is served."""
        ...

    def syncz(self) -> Sequence[ProxySync]:
        """The connected proxies, sorted by node id."""
        ...

    def config_dump(self, proxy: str) -> Sequence[SentResource] | None:
        """What the proxy of that node id was sent, sorted by type and name; None when it is not connected."""
        ...

    def problems(self) -> Sequence[Problem]:
        """What is wrong with what the sources hold now."""
        ...

    def objects(self) -> Iterable[KnownObject]:
        """The objects in force, sorted."""
        ...

    def refusals(self) -> Record:
        """What sidecars have refused."""
        ...

    def workloads(self) -> Iterable[WorkloadSecurity]:
        """All workloads, and what each takes from its callers."""
        ...

    def sources(self) -> Mapping[str, Any]:
        """How well sources are being read, those that can tell, by name; JSON types."""
        ...

    def ca(self) -> CaReport | None:
        """The mesh's certificate authority; None where there is none."""
        ...

    def metrics(self) -> Iterable[Metric]:
        """Counters beside those that the pages count themselves."""
        ...

    def telemetry(self) -> Known:
        """What proxies have counted in the last hour."""
        ...

    def record(self, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        """A recording that a query begins or reads, as JSON types (``xds.proxies.recordings``). Errors: ValueError."""
        ...

    async def live(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        """Whether the object of a query is live, and what it waits for; JSON types (``xds.history.object_pages``)."""
        ...

    async def history(self, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        """The latest generations, or one; JSON types (``xds.history.page``). Errors: ValueError, of the query."""
        ...
