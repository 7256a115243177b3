"""Names for what sidecars report: addresses become workloads, Envoy's names of policies become objects at a place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from xds.audit.refusal import Blame, Kind, Party, PolicyId, Refusal, Sighting, Stage
from xds.model.labels import Labels
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.security import Mtls
from xds.model.snapshot import Snapshot, Table
from xds.model.workload import Workload
from xds.translators.authorization.policy import Action, Authorization
from xds.view.filters import attached
from xds.view.graph import Graph, call
from xds.view.mutual_tls import mtls

CONTROL_PLANE: Final = "control plane"
_GROUP: Final = "security.istio.io"
_ACTIONS: Final = {Stage.ALLOW: Action.ALLOW, Stage.AUDIT: Action.AUDIT, Stage.CUSTOM: Action.CUSTOM}
_KINDS: Final = {Stage.TOKEN: "RequestAuthentication", Stage.MTLS: "PeerAuthentication"}

OriginOf = Callable[[ObjectRef], str]
"""Where an object was read, as people write it; ``""`` when it is gone."""


@dataclass(frozen=True, slots=True)
class WorkloadSecurity:
    """A workload as security sees it: who it is, whether it has a sidecar, and what it takes from its callers."""

    pod: ObjectRef
    workload: str
    service_account: str
    labels: Labels
    addresses: tuple[str, ...]
    sidecar: bool
    mtls: Mtls


class Naming:
    """One generation of the mesh, asked for names. What it works out stays as long as the generation."""

    def __init__(self, snapshot: Snapshot, origin_of: OriginOf) -> None:
        self.snapshot = snapshot
        self._origin_of = origin_of
        self._graph = Graph(snapshot)  # not the pipeline's: nothing there may be made because of a report

    def refusal(self, proxy: Proxy, seen: Sighting) -> Refusal:
        """What ``proxy`` has seen, with names."""
        labels = self._labels(proxy)
        return Refusal(
            when=seen.when,
            kind=seen.kind,
            stage=seen.stage,
            why=seen.why,
            source=self._source(seen),
            destination=self._destination(proxy),
            policies=tuple(self._blamed(seen, proxy.namespace, labels)),
            port=seen.port,
            protocol=seen.protocol,
            method=seen.method,
            host=seen.host,
            path=seen.path,
            status=seen.status,
            request_id=seen.request_id,
        )

    def refused_stream(self, who: str, address: str, why: str, now: datetime) -> Refusal:
        """A stream to the control plane that was refused, of a node that says that it is ``who``."""
        found: Workload | None = self._first(Table.ADDRESS, address)
        source = Party(address=address, principal=who)
        if found is not None:
            source = _party(found, address, who, proven=False)
        control_plane = Party(workload=CONTROL_PLANE)
        return Refusal(now, Kind.REFUSED, Stage.XDS, why, source, control_plane, protocol="xDS")

    def workloads(self) -> Iterator[WorkloadSecurity]:
        """All workloads, by namespace and name."""
        for key in sorted(self.snapshot.keys(Table.WORKLOAD)):
            found: Workload = self.snapshot.rows(Table.WORKLOAD, key)[0]
            yield WorkloadSecurity(
                pod=found.ref,
                workload=owner(found),
                service_account=found.service_account or "default",
                labels=found.labels,
                addresses=found.addresses,
                sidecar=found.proxied,
                mtls=self._get(mtls, found.namespace, found.labels),
            )

    def _source(self, seen: Sighting) -> Party:
        found: Workload | None = self._first(Table.ADDRESS, seen.address)
        if found is None:
            return Party(address=seen.address, principal=seen.peer, proven=seen.proven)
        return _party(found, seen.address, seen.peer, proven=seen.proven)

    def _destination(self, proxy: Proxy) -> Party:
        address = proxy.addresses[0] if proxy.addresses else ""
        found: Workload | None = self._first(Table.WORKLOAD, (proxy.namespace, proxy.name))
        if found is None:
            return Party(proxy.namespace, proxy.name, proxy.name, address)
        return _party(found, address, "", proven=False)

    def _labels(self, proxy: Proxy) -> Labels:
        found: Workload | None = self._first(Table.WORKLOAD, (proxy.namespace, proxy.name))
        return found.labels if found is not None else proxy.labels

    def _blamed(self, seen: Sighting, namespace: str, labels: Labels) -> Iterable[Blame]:
        if seen.policy is not None:
            return [self._policy(seen.policy)]
        if seen.stage in _KINDS:
            used = call(mtls if seen.stage is Stage.MTLS else attached, namespace, labels)
            self._graph.get(used)
            kind = _KINDS[seen.stage]
            refs = sorted(ref for ref in self._graph.provenance(used) if ref.kind == kind)
            return [self._blame(ref) for ref in refs]
        wanted, trial = _ACTIONS.get(seen.stage), seen.kind is Kind.WOULD_REFUSE
        policies = (self._get(attached, namespace, labels).get(Authorization) or Authorization()).policies
        return [self._blame(each.ref) for each in policies if each.action is wanted and each.dry_run is trial]

    def _policy(self, named: PolicyId) -> Blame:
        return self._blame(ObjectRef(_GROUP, "AuthorizationPolicy", named.namespace, named.name), named.rule)

    def _blame(self, ref: ObjectRef, rule: int | None = None) -> Blame:
        return Blame(ref, rule, self._origin_of(ref))

    def _get(self, maker: Callable[..., Any], *args: Any) -> Any:
        return self._graph.get(call(maker, *args))

    def _first(self, table: Table, key: Any) -> Any:
        rows = self.snapshot.rows(table, key)
        return rows[0] if rows else None


def owner(workload: Workload) -> str:
    """The name of what made the pod; the pod's own where nothing did."""
    return workload.owner or workload.ref.name


def _party(workload: Workload, address: str, principal: str, *, proven: bool) -> Party:
    return Party(workload.namespace, owner(workload), workload.ref.name, address, principal, proven)
