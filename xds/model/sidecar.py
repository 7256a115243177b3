"""Sidecars: what some proxies of a namespace reach, and which ports of their workload they take connections on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from xds.model.gateway import EdgeTls
from xds.model.mesh import Beyond
from xds.model.policy import NO_POLICIES, Policies
from xds.model.refs import ObjectRef
from xds.model.service import Protocol

OWN_NAMESPACE: Final = "."
ANY: Final = "*"


class HostsOf(NamedTuple):
    """The hosts of a namespace (``*`` any, ``.`` the caller's own): one by its full name, or by ``*`` in front."""

    namespace: str
    host: str

    def covers(self, hostname: str, namespace: str, own: str) -> bool:
        """Whether a host of ``namespace`` is among them, for callers whose own namespace is ``own``."""
        wanted = own if self.namespace == OWN_NAMESPACE else self.namespace
        if wanted not in (ANY, namespace):
            return False
        return hostname.endswith(self.host[1:]) if self.host.startswith(ANY) else hostname == self.host


@dataclass(frozen=True, slots=True)
class Egress:
    """Hosts that are reached: on ``port`` alone or, with 0, on all ports that no other entry names.

    ``bind`` is an address (or ``unix://`` and a path) of a listener of their own, which is opened as a real socket
    where ``opened`` says so. ``forward_proxy`` is whether that speaks HTTP to those who ask a proxy, for hosts of any
    port.
    """

    hosts: tuple[HostsOf, ...]
    excluded: tuple[HostsOf, ...] = ()
    port: int = 0
    protocol: Protocol = Protocol.AUTO
    bind: str = ""
    opened: bool = False
    forward_proxy: bool = False

    def imports(self, hostname: str, namespace: str, own: str) -> bool:
        """Whether a host of ``namespace`` is reached by this, for callers of the namespace ``own``."""
        return any(each.covers(hostname, namespace, own) for each in self.hosts) and not any(
            each.covers(hostname, namespace, own) for each in self.excluded
        )


@dataclass(frozen=True, slots=True)
class Ingress:
    """A port of the workload that connections are taken on, and where they go.

    ``bind`` is the address of a real socket of the proxy, empty where connections are captured. ``endpoint`` is
    ``unix://`` and a path, or an address; empty for the one that the caller chose. ``target`` is its port, 0 for the
    port itself.
    """

    number: int
    protocol: Protocol
    bind: str = ""
    endpoint: str = ""
    target: int = 0
    policies: Policies = NO_POLICIES
    tls: EdgeTls | None = None


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What some proxies of a namespace reach and take; ``beyond`` is None where the mesh's word on the rest holds.

    Without ``ingress`` the ports are those of the workload's services.
    """

    ref: ObjectRef
    egress: tuple[Egress, ...]
    ingress: tuple[Ingress, ...] = ()
    beyond: Beyond | None = None
    inbound_policies: Policies = NO_POLICIES

    @property
    def reaches_all(self) -> bool:
        """Whether it takes nothing away from what its callers reach."""
        return self.beyond is None and self.egress == (EVERYTHING,)

    @property
    def names_own(self) -> bool:
        """Whether it means different hosts in each namespace."""
        return any(each.namespace == OWN_NAMESPACE for entry in self.egress for each in (*entry.hosts, *entry.excluded))

    def imports(self, hostname: str, namespace: str, own: str) -> bool:
        """Whether a host of ``namespace`` is reached at all, by callers of the namespace ``own``."""
        return any(entry.imports(hostname, namespace, own) for entry in self.egress)

    def captured(self, hostname: str, namespace: str, own: str, port: int) -> bool:
        """Whether connections to a host's port are taken where they are captured: not by a listener of their own.

        A host that no entry names is there for routes that lead to it, and on all ports that no entry claims.
        """
        claiming = next((entry for entry in self.egress if entry.port == port and not entry.forward_proxy), None)
        if claiming is not None and not claiming.bind.startswith("unix://"):
            return not claiming.bind and claiming.imports(hostname, namespace, own)
        if not self.imports(hostname, namespace, own):
            return True
        return any(entry.imports(hostname, namespace, own) for entry in self.egress if not (entry.port or entry.bind))


EVERYTHING: Final = Egress((HostsOf(ANY, ANY),))
