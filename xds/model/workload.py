"""Workloads: the pods (or machines) behind services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xds.model.endpoint import NOWHERE, Locality
from xds.model.families import Families
from xds.model.labels import NO_LABELS, Labels
from xds.model.problem import Problem
from xds.model.refs import ObjectRef
from xds.model.security import has_sidecar


@dataclass(frozen=True, slots=True)
class Injection:
    """How a pod stands to having a sidecar of its own.

    ``possible`` while it runs or is about to, on a network of its own; ``wish`` is what its annotation says of it;
    ``revision`` the control plane that gave it the one that it has; ``doubts`` are what is wrong with its template.
    """

    possible: bool = False
    wish: str = ""
    done: bool = False
    revision: str = ""
    doubts: tuple[Problem, ...] = ()


NO_INJECTION: Final = Injection()


@dataclass(frozen=True, slots=True)
class Workload:
    """One pod: its addresses, what selectors see, its container ports by name, and all that it says it listens on."""

    ref: ObjectRef
    labels: Labels = NO_LABELS
    addresses: tuple[str, ...] = ()
    service_account: str = ""
    node: str = ""
    locality: Locality = NOWHERE
    ports: tuple[tuple[str, int], ...] = ()
    listens: tuple[int, ...] = ()
    hostname: str = ""
    owner: str = ""
    captured: tuple[int, ...] | None = None  # ports whose connections come in by the sidecar; None: all
    not_captured: tuple[int, ...] = ()
    owner_kind: str = ""
    injection: Injection = NO_INJECTION
    ready: bool = False
    leaving: bool = False  # it is over, or is told to end

    @property
    def proxied(self) -> bool:
        """Whether it says that a proxy of the mesh stands before it, or that it is one."""
        return self.injection.done or has_sidecar(self.labels)

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        return self.ref.namespace

    @property
    def label(self) -> str:
        """``shop/web-1``: for people, and as its proxy calls itself."""
        return f"{self.ref.namespace}/{self.ref.name}"

    def captures(self, port: int) -> bool:
        """Whether connections to a port come in by the pod's sidecar, if it has one."""
        return (self.captured is None or port in self.captured) and port not in self.not_captured

    def port(self, name: str) -> int:
        """The container port of that name; 0 when there is none."""
        return next((number for known, number in self.ports if known == name), 0)


@dataclass(frozen=True, slots=True)
class Node:
    """Where a node stands, from its topology labels, and what it has.

    ``kubelet`` is that one's version (``v1.36.3``), empty if unknown; ``families`` are those of its addresses.
    """

    ref: ObjectRef
    locality: Locality
    kubelet: str = ""
    families: Families = Families.IPV4


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace and its labels."""

    ref: ObjectRef
    labels: Labels = NO_LABELS
