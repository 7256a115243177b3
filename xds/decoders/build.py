"""From changed objects to the next snapshot: only what changed is decoded again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from xds.decoders import (
    attached,
    demand,
    destination_rule,
    endpoint_slice,
    envoy_filter,
    gateway,
    key_set,
    mesh_config,
    network_gateways,
    odd_annotations,
    peer_authentication,
    recording,
    secret,
    service,
    service_entry,
    sidecar,
    telemetry,
    virtual_service,
    workload_entry,
    workloads,
)
from xds.decoders.gateway_api import (
    backend_tls_policy,
    config_map,
    connection_route,
    grpc_route,
    http_route,
    reference_grant,
)
from xds.decoders.gateway_api import gateway as api_gateway
from xds.decoders.remote import merged, remote_rows
from xds.decoders.row import Authored, Decoder, Row
from xds.model.credential import Examine, unexamined
from xds.model.gateway_api import CONTROLLERS
from xds.model.mesh import Mesh
from xds.model.problem import Problem, Problems
from xds.model.refs import FieldRef, ObjectRef
from xds.model.snapshot import Input, Rows, Snapshot, Table
from xds.translators.feature import AUTHORIZATION_POLICY, RATE_LIMIT, REQUEST_AUTHENTICATION

DECODERS: Final[Mapping[tuple[str, str], Decoder]] = MappingProxyType(
    {
        ("", "ConfigMap"): config_map.decode,
        ("", "Namespace"): workloads.decode_namespace,
        ("", "Node"): workloads.decode_node,
        ("", "Pod"): workloads.decode_pod,
        ("", "Secret"): secret.decode,
        ("", "Service"): service.decode,
        ("discovery.k8s.io", "EndpointSlice"): endpoint_slice.decode,
        ("gateway.networking.k8s.io", "BackendTLSPolicy"): backend_tls_policy.decode,
        ("gateway.networking.k8s.io", "GRPCRoute"): grpc_route.decode,
        ("gateway.networking.k8s.io", "Gateway"): api_gateway.decode,
        ("gateway.networking.k8s.io", "GatewayClass"): api_gateway.decode_class,
        ("gateway.networking.k8s.io", "HTTPRoute"): http_route.decode,
        ("gateway.networking.k8s.io", "ListenerSet"): api_gateway.decode_set,
        ("gateway.networking.k8s.io", "ReferenceGrant"): reference_grant.decode,
        ("gateway.networking.k8s.io", "TCPRoute"): connection_route.decode_tcp,
        ("gateway.networking.k8s.io", "TLSRoute"): connection_route.decode_tls,
        ("demand.plait", "Demand"): demand.decode,
        ("keys.plait", "KeySet"): key_set.decode,
        ("names.plait", "GatewayName"): network_gateways.decode_name,
        ("recordings.plait", "Recording"): recording.decode,
        ("mesh.istio.io", "MeshConfig"): mesh_config.decode,
        ("networking.istio.io", "DestinationRule"): destination_rule.decode,
        ("networking.istio.io", "EnvoyFilter"): envoy_filter.decode,
        ("networking.istio.io", "Gateway"): gateway.decode,
        ("networking.istio.io", "ServiceEntry"): service_entry.decode,
        ("networking.istio.io", "Sidecar"): sidecar.decode,
        ("networking.istio.io", "VirtualService"): virtual_service.decode,
        ("networking.istio.io", "WorkloadEntry"): workload_entry.decode,
        ("networking.istio.io", "WorkloadGroup"): workload_entry.decode_group,
        ("networking.plait.dev", "RateLimit"): attached.decoder(RATE_LIMIT),
        ("security.istio.io", "AuthorizationPolicy"): attached.decoder(AUTHORIZATION_POLICY),
        ("security.istio.io", "PeerAuthentication"): peer_authentication.decode,
        ("security.istio.io", "RequestAuthentication"): attached.decoder(REQUEST_AUTHENTICATION),
        ("telemetry.istio.io", "Telemetry"): telemetry.decode,
    }
)
"""The decoder of each (group, kind) that shapes the mesh; objects of other kinds contribute nothing."""

_OBJECTS_A_SLICE: Final = 16
_INPUTS_A_SLICE: Final = 256


@dataclass(frozen=True, slots=True)
class Change:
    """A new snapshot, and every input that reads differently from the one before."""

    snapshot: Snapshot
    inputs: frozenset[Input]


class Builder:
    """The rows of every object, and the snapshot they make.

    An object with errors contributes what its last good version did; its problems say so. ``examine`` looks at the
    certificates of Secrets.
    """

    def __init__(
        self,
        *,
        domain: str = Mesh().domain,
        cluster: str = Mesh().cluster,
        gateway_controllers: tuple[str, ...] = CONTROLLERS,
        examine: Examine = unexamined,
    ) -> None:
        self._examine = examine
        self._domain = domain
        self._cluster = cluster
        self._gateway_controllers = gateway_controllers
        self._nobody = Row(Input(Table.MESH, ""), replace(mesh_config.DEFAULT, cluster=cluster))
        self._rows: dict[ObjectRef, tuple[Row, ...]] = {}
        self._under: dict[Input, dict[ObjectRef, list[Any]]] = {}
        self._problems: dict[ObjectRef, tuple[Problem, ...]] = {}
        self._kept: set[ObjectRef] = set()
        self.snapshot = Snapshot({Table.MESH: {"": (self._nobody.value,)}})

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was found in the objects as they now are, sorted by object."""
        return tuple(problem for ref in sorted(self._problems) for problem in self._problems[ref])

    @property
    def kept(self) -> frozenset[ObjectRef]:
        """The Secrets that are there no more, and whose last content is still shown."""
        return frozenset(self._kept)

    def copy(self) -> Builder:
        """Another of the same rows, which goes its own way from here. Not while ``apply`` is at work."""
        other = Builder(
            domain=self._domain,
            cluster=self._cluster,
            gateway_controllers=self._gateway_controllers,
            examine=self._examine,
        )
        other._rows = dict(self._rows)
        other._under = {wanted: dict(of_objects) for wanted, of_objects in self._under.items()}
        other._problems = dict(self._problems)
        other._kept = set(self._kept)
        other.snapshot = self.snapshot
        return other

    def rows(self, ref: ObjectRef) -> tuple[Row, ...]:
        """What an object contributes; nothing where it is not there."""
        return self._rows.get(ref, ())

    def apply(
        self,
        upserts: Iterable[tuple[ObjectRef, Any]],
        deletes: Iterable[ObjectRef] = (),
        keeping: AbstractSet[ObjectRef] = frozenset(),
    ) -> Generator[None, None, Change]:
        """The snapshot after these objects came or changed and those went, in slices.

        Of the deleted Secrets in ``keeping`` the last content stays, marked as gone.
        """
        touched: set[Input] = set()
        for ref in deletes:
            self._problems.pop(ref, None)
            last = self._rows.get(ref, ()) if ref in keeping else ()
            touched |= self._replace(ref, tuple(secret.gone(row) for row in last))
            (self._kept.add if last else self._kept.discard)(ref)
        for count, (ref, struct) in enumerate(upserts):
            rows = self._decode(ref, struct)
            if rows is not None:
                touched |= self._replace(ref, rows)
                self._kept.discard(ref)
            if count % _OBJECTS_A_SLICE == 0:
                yield
        changes: dict[Input, Rows] = {}
        for count, wanted in enumerate(touched):
            changes[wanted] = self._at(wanted)
            if count % _INPUTS_A_SLICE == 0:
                yield
        self.snapshot, inputs = self.snapshot.changed(changes)
        return Change(self.snapshot, inputs)

    def _decode(self, ref: ObjectRef, struct: Any) -> tuple[Row, ...] | None:
        decoder = DECODERS.get((ref.group, ref.kind))
        if decoder is None:
            return ()
        found = Problems()
        try:
            authored = Authored(
                ref, struct, found, self._domain, self._cluster, self._gateway_controllers, examine=self._examine
            )
            told = decoder(authored)
            odd_annotations.check(authored)
            rows = tuple(remote_rows(ref.cluster, told) if ref.cluster else told)
        except Exception as error:  # a bug of ours costs this object, not the others
            found.add(
                FieldRef(ref), "internal.decoder", f"cannot be read for a bug in Plait, please report it: {error!r}"
            )
            rows = ()
        if found:
            self._problems[ref] = found.freeze()
        else:
            self._problems.pop(ref, None)
        return None if found.errors else rows

    def _replace(self, ref: ObjectRef, rows: tuple[Row, ...]) -> set[Input]:
        before = self._rows.pop(ref, ())
        touched = {row.under for row in before}
        for wanted in touched:
            of_others = self._under[wanted]
            of_others.pop(ref, None)
            if not of_others:
                del self._under[wanted]
        for row in rows:
            self._under.setdefault(row.under, {}).setdefault(ref, []).append(row.value)
            touched.add(row.under)
        if rows:
            self._rows[ref] = rows
        return touched

    def _at(self, wanted: Input) -> Rows:
        found = [value for values in self._under.get(wanted, {}).values() for value in values]
        if wanted == self._nobody.under:
            return tuple(found[:1]) or (self._nobody.value,)
        return in_order(wanted.table, found)


def in_order(table: Table, found: Sequence[Any]) -> Rows:
    """The rows under one key of a table, each once, in the order in which rivals win."""
    if len(found) < 2:
        return tuple(found)
    ordered = tuple(sorted(dict.fromkeys(found), key=_ORDER.get(table, _by_age)))
    return merged(ordered) if table in _OF_SERVICES else ordered


def _by_age(value: Any) -> tuple[Any, ...]:
    ref = getattr(value, "ref", value)
    if isinstance(ref, ObjectRef):
        created, hostname = getattr(value, "created", ""), str(getattr(value, "hostname", ""))
        return (created, ref.name, ref.namespace, hostname, ref.cluster)
    return (value,)


def _own_first(value: Any) -> tuple[Any, ...]:
    return (value.ref.cluster, *_by_age(value))


def _kubernetes_first(value: Any) -> tuple[Any, ...]:
    return (not value.kubernetes, value.ref.cluster, *_by_age(value))


_OF_SERVICES: Final = frozenset({Table.SERVICE, Table.HOST})
_ORDER: Final[Mapping[Table, Callable[[Any], tuple[Any, ...]]]] = MappingProxyType(
    {
        Table.SERVICE: _kubernetes_first,
        Table.HOST: _kubernetes_first,
        Table.SLICE: _own_first,
        Table.VIRTUAL_ADDRESS: _kubernetes_first,  # else who writes a ServiceEntry takes the addresses of others
    }
)
