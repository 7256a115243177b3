"""Any spec: one kind of value a kind of resource, and what travels apart from listeners, clusters and routes.

A spec is frozen and hashable, and everything that can reach its bytes is in it: it is the memo key of translation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xds.model.filters import FilterSlot
from xds.model.identity import CLUSTER_LOCAL, TrustDomains
from xds.model.patch import Patch
from xds.model.policy import NO_POLICIES, Policies
from xds.view.specs.clusters import ClusterSpec, EndpointGroup
from xds.view.specs.listeners import Guard, ListenerSpec, TcpChain
from xds.view.specs.observed import UNSTATED, Observed, RuntimeSpec
from xds.view.specs.routes import RouteTable, VirtualHostSpec


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """Where the connections of the chains go that name it.

    ``guard`` is that of the chains, for what it records; ``observed`` is what else is told of them.
    """

    name: str
    content: TcpChain
    guard: Guard | None = None
    observed: Observed = UNSTATED


@dataclass(frozen=True, slots=True)
class OfferedProtocols:
    """What the connections of a ``FoundChain`` offer to their server by ALPN, instead of what the cluster says."""

    of: str
    alpn: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the filter and of its configuration."""
        return f"{self.of}/alpn"


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """What stands in one slot of a workload's HTTP (or TCP) chains: policies, already cut to that slot; maybe none."""

    slot: FilterSlot
    tcp: bool
    policies: Policies = NO_POLICIES
    trust: TrustDomains = CLUSTER_LOCAL

    @property
    def name(self) -> str:
        """The name of the filter and of its configuration."""
        return self.slot.resource(tcp=self.tcp)


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """A certificate with its key, or authorities alone, that somebody gave by name. PEM."""

    name: str
    certificate: bytes = b""
    private_key: bytes = field(default=b"", repr=False)
    authorities: bytes = b""
    revoked: bytes = b""


@dataclass(frozen=True, slots=True)
class PatchedSpec:
    """A spec, and the patches (EnvoyFilter) that may touch what it comes to, in the order in which they are applied.

    ``apart`` are the HTTP filters whose content is not sent apart from the listener.
    """

    spec: ListenerSpec | RouteTable | VirtualHostSpec | ClusterSpec | ConnectionSpec
    patches: tuple[Patch, ...]
    apart: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The name of the resource."""
        return self.spec.name


@dataclass(frozen=True, slots=True)
class AddedSpec:
    """A resource that a patch adds: a cluster, a listener, an extension, the content of an HTTP filter."""

    patch: Patch

    @property
    def name(self) -> str:
        """The name of the resource."""
        return self.patch.name


Spec = (
    ListenerSpec
    | RouteTable
    | VirtualHostSpec
    | ClusterSpec
    | EndpointGroup
    | FilterSpec
    | ConnectionSpec
    | OfferedProtocols
    | SecretSpec
    | RuntimeSpec
    | PatchedSpec
    | AddedSpec
)
