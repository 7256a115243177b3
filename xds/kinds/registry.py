"""The kinds that we read, by the names that the API has for them; and back from structs to plain JSON types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgspec

from xds.kinds.authored import Authored
from xds.kinds.authorization_policy import AuthorizationPolicy
from xds.kinds.config_map import ConfigMap
from xds.kinds.deployment import Deployment
from xds.kinds.destination_rule import DestinationRule
from xds.kinds.endpoint_slice import EndpointSlice
from xds.kinds.envoy_filter import EnvoyFilter
from xds.kinds.gateway import Gateway
from xds.kinds.gateway_api.backend_tls_policy import BackendTLSPolicy
from xds.kinds.gateway_api.connection_route import TCPRoute, TLSRoute
from xds.kinds.gateway_api.gateway import Gateway as ApiGateway
from xds.kinds.gateway_api.gateway_class import GatewayClass
from xds.kinds.gateway_api.grpc_route import GRPCRoute
from xds.kinds.gateway_api.http_route import HTTPRoute
from xds.kinds.gateway_api.listener_set import ListenerSet
from xds.kinds.gateway_api.reference_grant import ReferenceGrant
from xds.kinds.job import Job
from xds.kinds.mesh_config import MeshConfig
from xds.kinds.namespace import Namespace
from xds.kinds.node import Node
from xds.kinds.peer_authentication import PeerAuthentication
from xds.kinds.pod import Pod
from xds.kinds.quantities import format_duration
from xds.kinds.rate_limit import RateLimit
from xds.kinds.request_authentication import RequestAuthentication
from xds.kinds.secret import Secret
from xds.kinds.service import Service
from xds.kinds.service_account import ServiceAccount
from xds.kinds.service_entry import ServiceEntry
from xds.kinds.sidecar import Sidecar
from xds.kinds.stateful_set import StatefulSet
from xds.kinds.telemetry import Telemetry
from xds.kinds.virtual_service import VirtualService
from xds.kinds.workload_entry import WorkloadEntry
from xds.kinds.workload_group import WorkloadGroup

KINDS: tuple[type[Authored], ...] = (
    AuthorizationPolicy,
    ConfigMap,
    Deployment,
    DestinationRule,
    EndpointSlice,
    EnvoyFilter,
    Gateway,
    ApiGateway,
    BackendTLSPolicy,
    GRPCRoute,
    GatewayClass,
    HTTPRoute,
    ListenerSet,
    ReferenceGrant,
    TCPRoute,
    TLSRoute,
    Job,
    MeshConfig,
    Namespace,
    Node,
    PeerAuthentication,
    Pod,
    RateLimit,
    RequestAuthentication,
    Secret,
    Service,
    ServiceAccount,
    ServiceEntry,
    Sidecar,
    StatefulSet,
    Telemetry,
    VirtualService,
    WorkloadEntry,
    WorkloadGroup,
)

BY_API_VERSION: Mapping[tuple[str, str], type[Authored]] = MappingProxyType(
    {(version, struct.KIND.name): struct for struct in KINDS for version in struct.KIND.api_versions}
)
"""The struct of each (apiVersion, kind) that we read."""

BY_GROUP_KIND: Mapping[tuple[str, str], type[Authored]] = MappingProxyType(
    {(struct.KIND.group, struct.KIND.name): struct for struct in KINDS}
)
"""The struct of each (group, kind) that we read."""


def by_word(word: str) -> type[Authored] | None:
    """The struct that ``word`` means on a command line: kind, plural, short name, or PLURAL.GROUP; None when none.

    In any case; where two kinds have a word (Gateway), it is Istio's.
    """
    wanted = word.lower()
    for struct in KINDS:
        kind = struct.KIND
        if wanted in (kind.name.lower(), kind.plural, *kind.short, f"{kind.plural}.{kind.group}"):
            return struct
    return None


def to_plain(struct: Authored) -> dict[str, Any]:
    """The object as JSON types, as users write it: apiVersion and kind first, defaults left out."""
    kind = struct.KIND
    plain = msgspec.to_builtins(struct, builtin_types=(timedelta, datetime))
    plain.pop("apiVersion", None)
    plain.pop("kind", None)
    head = {"apiVersion": struct.api_version or kind.api_versions[0], "kind": kind.name}
    return {**head, **{key: _plain(value) for key, value in plain.items()}}


def _plain(value: Any) -> Any:
    """``value`` with lists for tuples, and times and durations as texts."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value
