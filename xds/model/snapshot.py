"""The whole mesh at one moment: immutable tables of rows, which keep the identity of what did not change."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

Rows = tuple[Any, ...]


class Table(StrEnum):
    """What is looked up, and by which key; each key has a tuple of rows in the order in which rivals win."""

    MESH = "mesh"  # "" -> Mesh
    SERVICE = "service"  # ServiceKey -> Service
    HOST = "host"  # hostname -> Service, of all namespaces
    VIRTUAL_ADDRESS = "virtual-address"  # address -> Service that has it
    SELECTING = "selecting"  # namespace -> Service with a selector
    LEADING = "leading"  # namespace -> Leading: which ports of which pods its services lead to
    SLICE = "slice"  # ServiceKey -> EndpointSlice
    WORKLOAD = "workload"  # (namespace, name) -> Workload
    ADDRESS = "address"  # IP -> Workload
    WORKLOAD_ENTRY = "workload-entry"  # namespace -> WorkloadEntry
    WORKLOAD_GROUP = "workload-group"  # ObjectRef -> WorkloadGroup
    NODE = "node"  # name -> Node
    NAMESPACE = "namespace"  # name -> Namespace
    REMOTE_ADDRESS = "remote-address"  # (cluster, IP) -> Workload of a remote cluster
    REMOTE_NODE = "remote-node"  # (cluster, name) -> Node of a remote cluster
    REMOTE_NAMESPACE = "remote-namespace"  # (cluster, name) -> Namespace of a remote cluster
    VIRTUAL_SERVICE = "virtual-service"  # ObjectRef -> VirtualService
    ROUTED_HOST = "routed-host"  # host or wildcard -> VirtualService of the mesh
    ROUTED_WILDCARD = "routed-wildcard"  # "" -> wildcard hosts of VirtualServices
    RULE = "rule"  # (namespace, host or wildcard) -> DestinationRule
    RULE_WILDCARD = "rule-wildcard"  # namespace -> wildcard hosts of its DestinationRules
    SIDECAR_SELECTOR = "sidecar-selector"  # namespace -> Attachment of its Sidecars
    SIDECAR = "sidecar"  # ObjectRef -> Sidecar
    HOME = "home"  # namespace -> whoever makes it see the mesh differently from others
    SELECTOR_KEY = "selector-key"  # label key -> whoever asks callers for it
    NETWORK_GATEWAY = "network-gateway"  # network -> NetworkGateway: what leads into it
    NETWORK_MEMBER = "network-member"  # "" -> NetworkMember: what MeshNetworks say of who is where
    EXTERNAL_ADDRESSES = "external-addresses"  # hostname -> ExternalAddresses of Services
    GATEWAY_NAME = "gateway-name"  # DNS name of a network's gateway -> GatewayName
    PLACED = "placed"  # "locality", "node" -> whoever asks where callers are
    PEER_AUTHENTICATION = "peer-authentication"  # namespace -> Attachment of its PeerAuthentications
    ATTACHMENT = "attachment"  # namespace -> Attachment of its policies for workloads
    POLICY = "policy"  # ObjectRef -> PeerAuthentication, or AttachedPolicy
    CREDENTIAL = "credential"  # (namespace, name of a Secret, or configmap/NAME) -> Credential
    GATEWAY_SELECTOR = "gateway-selector"  # "" -> GatewaySelector of every gateway
    GATEWAY = "gateway"  # ObjectRef -> Gateway (Istio's)
    BOUND = "bound"  # ObjectRef of a gateway -> Binding of VirtualServices that name it
    ENVOY_FILTER = "envoy-filter"  # namespace -> PatchesFor of its EnvoyFilters
    PATCHES = "patches"  # ObjectRef -> EnvoyFilter
    GATEWAY_CLASS = "gateway-class"  # name -> GatewayClass
    API_GATEWAY = "api-gateway"  # ObjectRef -> ApiGateway (the Gateway API's)
    LEADING_ROUTE = "leading-route"  # ObjectRef of a Service -> ObjectRef of routes that lead to it
    LISTENER_SET = "listener-set"  # ObjectRef -> ListenerSet
    LISTENER_SETS = "listener-sets"  # ObjectRef of a Gateway -> ListenerSet that adds listeners to it
    API_ROUTE = "api-route"  # ObjectRef -> ApiRoute
    PARENT = "parent"  # ObjectRef of a Gateway or a Service -> ObjectRef of routes that name it as a parent
    REFERENCE_GRANT = "reference-grant"  # namespace -> ReferenceGrant
    BACKEND_TLS_POLICY = "backend-tls-policy"  # ObjectRef -> BackendTls
    BACKEND_TLS = "backend-tls"  # (namespace, name of a Service) -> BackendTls
    DEMAND = "demand"  # AskedBy -> Demand
    TELEMETRY = "telemetry"  # namespace -> Attachment of its Telemetry objects, found in POLICY
    RECORDING = "recording"  # (namespace, name) of a pod or a workload -> Recording of its requests
    KEY_SET = "key-set"  # URI of a JWKS, or of a discovery document -> KeySet


class Input(NamedTuple):
    """One thing that can be read and can change: the rows of a key, or (``ALL``) which keys a table has."""

    table: Table
    key: Hashable


ALL: Final = "*all keys*"
_FEW: Final = 32  # keys that come or go, beyond which sorting all anew is cheaper than putting each in its place


class Snapshot:
    """Tables of rows by key. Never changed in place; see ``changed``."""

    __slots__ = ("_sorted", "_tables")

    def __init__(self, tables: Mapping[Table, Mapping[Hashable, Rows]] | None = None) -> None:
        self._tables: dict[Table, Mapping[Hashable, Rows]] = {table: {} for table in Table} | dict(tables or {})
        self._sorted: dict[Table, Rows] = {}

    def rows(self, table: Table, key: Hashable) -> Rows:
        """The rows under ``key``; empty when there are none."""
        return self._tables[table].get(key, ())

    def keys(self, table: Table) -> Iterable[Any]:
        """All keys of a table that have rows."""
        return self._tables[table].keys()

    def read(self, wanted: Input) -> Rows:
        """What stands under an input: rows, or for ``ALL`` the sorted keys."""
        if wanted.key == ALL:
            found = self._sorted.get(wanted.table)
            if found is None:
                found = self._sorted[wanted.table] = tuple(sorted(self._tables[wanted.table]))
            return found
        return self.rows(wanted.table, wanted.key)

    def changed(self, changes: Mapping[Input, Rows]) -> tuple[Snapshot, frozenset[Input]]:
        """The snapshot with those rows in place, and every input that now reads differently.

        Cost: a copy of each table touched; rows under other keys keep their identity. What is known of the order of
        keys is kept, and put right where keys came or went.
        """
        tables: dict[Table, Any] = dict(self._tables)
        inputs: set[Input] = set()
        moved: dict[Table, set[Hashable]] = {}
        for wanted, rows in changes.items():
            old = self._tables[wanted.table]
            if old.get(wanted.key, ()) == rows:
                continue
            inputs.add(wanted)
            if (wanted.key in old) != bool(rows):
                inputs.add(Input(wanted.table, ALL))
                moved.setdefault(wanted.table, set()).add(wanted.key)
            if tables[wanted.table] is old:
                tables[wanted.table] = dict(old)
            new = tables[wanted.table]
            if rows:
                new[wanted.key] = rows
            else:
                del new[wanted.key]
        after = Snapshot(tables)
        for table, keys in list(self._sorted.items()):  # others may read in threads, and sort meanwhile
            if len(moved.get(table, ())) <= _FEW:
                after._sorted[table] = _moved(keys, moved[table], tables[table]) if table in moved else keys
        return after, frozenset(inputs)


def _moved(keys: Rows, moved: set[Hashable], table: Mapping[Hashable, Rows]) -> Rows:
    """``keys``, sorted, with those that ``moved`` in or out of the table."""
    found = list(keys)
    for key in moved:
        at = bisect_left(found, key)
        if key in table:
            found.insert(at, key)
        else:
            del found[at]
    return tuple(found)
