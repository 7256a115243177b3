"""Patches: changes to what Envoy is sent, in Envoy's own words (Istio's EnvoyFilter), as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from xds.model.labels import NO_LABELS, Labels
from xds.model.refs import FieldRef, ObjectRef
from xds.model.security import Target


class ApplyTo(Enum):
    """What a patch changes; the words are Istio's."""

    LISTENER = "LISTENER"
    FILTER_CHAIN = "FILTER_CHAIN"
    NETWORK_FILTER = "NETWORK_FILTER"
    HTTP_FILTER = "HTTP_FILTER"
    LISTENER_FILTER = "LISTENER_FILTER"
    ROUTE_CONFIGURATION = "ROUTE_CONFIGURATION"
    VIRTUAL_HOST = "VIRTUAL_HOST"
    HTTP_ROUTE = "HTTP_ROUTE"
    CLUSTER = "CLUSTER"
    EXTENSION_CONFIG = "EXTENSION_CONFIG"

    @property
    def in_listener(self) -> bool:
        """Whether it is a listener, or stands in one."""
        return self in _IN_LISTENERS

    @property
    def in_routes(self) -> bool:
        """Whether it is a route configuration, or stands in one."""
        return self in _IN_ROUTES


TCP_PROXY = "envoy.filters.network.tcp_proxy"

_IN_LISTENERS = frozenset(
    {
        ApplyTo.LISTENER,
        ApplyTo.FILTER_CHAIN,
        ApplyTo.NETWORK_FILTER,
        ApplyTo.HTTP_FILTER,
        ApplyTo.LISTENER_FILTER,
    }
)
_IN_ROUTES = frozenset({ApplyTo.ROUTE_CONFIGURATION, ApplyTo.VIRTUAL_HOST, ApplyTo.HTTP_ROUTE})


class Operation(Enum):
    """What a patch does; the words are Istio's."""

    MERGE = "MERGE"
    ADD = "ADD"
    REMOVE = "REMOVE"
    INSERT_BEFORE = "INSERT_BEFORE"
    INSERT_AFTER = "INSERT_AFTER"
    INSERT_FIRST = "INSERT_FIRST"
    REPLACE = "REPLACE"
    MERGE_AND_REPLACE_LIST = "MERGE_AND_REPLACE_LIST"

    @property
    def adds(self) -> bool:
        """Whether something comes that was not there."""
        return self in _ADDING

    @property
    def merges(self) -> bool:
        """Whether something is changed in its place."""
        return self in (Operation.MERGE, Operation.MERGE_AND_REPLACE_LIST)


_ADDING = frozenset({Operation.ADD, Operation.INSERT_BEFORE, Operation.INSERT_AFTER, Operation.INSERT_FIRST})


class Traffic(Enum):
    """What kind of traffic a part of a configuration is for; a patch for ANY is for all of them."""

    ANY = "ANY"
    INBOUND = "SIDECAR_INBOUND"
    OUTBOUND = "SIDECAR_OUTBOUND"
    GATEWAY = "GATEWAY"


class ListenerIs(NamedTuple):
    """Which listeners, chains and filters a patch is for; what is empty is not asked for."""

    port: int = 0
    name: str = ""
    listener_filter: str = ""
    chain: str = ""
    sni: str = ""
    transport: str = ""
    application_protocols: tuple[str, ...] = ()
    destination_port: int = 0
    filter: str = ""
    http_filter: str = ""


class RoutesAre(NamedTuple):
    """Which route configurations, virtual hosts and routes a patch is for; what is empty is not asked for.

    ``gateway`` is as in the names of tables, ``name.namespace``; ``port_name`` that of its server's port.
    """

    port: int = 0
    table: str = ""
    virtual_host: str = ""
    domain: str = ""
    route: str = ""
    action: str = ""
    gateway: str = ""
    port_name: str = ""


class ClusterIs(NamedTuple):
    """Which clusters a patch is for; what is empty is not asked for."""

    port: int = 0
    host: str = ""
    subset: str = ""
    name: str = ""


class ProxyIs(NamedTuple):
    """Which proxies a patch is for: a pattern for the version, and what the node says of itself."""

    version: str = ""
    metadata: Labels = NO_LABELS


ANY_PROXY = ProxyIs()
"""What a patch asks of proxies that asks nothing."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One change. ``value`` is the encoded message that ``to`` is made of (or a part of it); ``at`` is where it stands.

    ``name`` is what that message is called, ``config`` the type URL of its ``typed_config``: of filters only.
    """

    at: FieldRef
    to: ApplyTo
    operation: Operation
    traffic: Traffic = Traffic.ANY
    where: ListenerIs | RoutesAre | ClusterIs | None = None
    proxy: ProxyIs = ANY_PROXY
    name: str = ""
    config: str = ""
    value: bytes = b""

    @property
    def listener(self) -> ListenerIs:
        """Which listeners it is for."""
        return self.where if isinstance(self.where, ListenerIs) else ListenerIs()

    def everywhere(self, filter_name: str) -> bool:
        """Whether it is for every network filter of that name, wherever it stands."""
        return self.to is ApplyTo.NETWORK_FILTER and self.listener == ListenerIs(filter=filter_name)

    @property
    def routes(self) -> RoutesAre:
        """Which routes it is for."""
        return self.where if isinstance(self.where, RoutesAre) else RoutesAre()

    @property
    def cluster(self) -> ClusterIs:
        """Which clusters it is for."""
        return self.where if isinstance(self.where, ClusterIs) else ClusterIs()


@dataclass(frozen=True, slots=True)
class EnvoyFilter:
    """The patches of one object, in their order."""

    ref: ObjectRef
    patches: tuple[Patch, ...]


class PatchesFor(NamedTuple):
    """Which proxies those patches of an EnvoyFilter are for that ask the same of proxies, and what they touch there.

    Light: the patches, ``size`` of them, are in ``Table.PATCHES``, under ``of``.
    """

    priority: int
    created: str
    of: ObjectRef
    proxy: ProxyIs = ANY_PROXY
    selector: Labels = NO_LABELS
    targets: tuple[Target, ...] = ()
    inbound: bool = True
    outbound: bool = True
    gateway: bool = True
    size: int = 0
