"""The Gateway API as the mesh means it: classes, gateways, routes with their parents and backends, grants, policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from xds.model.gateway import API_GROUP
from xds.model.labels import Labels
from xds.model.policy import NO_POLICIES, Policies
from xds.model.refs import ObjectRef
from xds.model.route import Destination, HttpRoute

CONTROLLER: Final = "plait.dev/gateway-controller"
CONTROLLERS: Final = (CONTROLLER, "istio.io/gateway-controller")
"""Whose classes are ours in istiod's place: our own, and Istio's, so that manifests for its class go on working."""
MESH_CONTROLLER: Final = "plait.dev/mesh-controller"
"""Who answers for routes whose parent is a Service."""
GATEWAY_NAME: Final = "gateway.networking.k8s.io/gateway-name"
"""The label of what is made for a Gateway, its name ``shortened``; its proxies are selected by it."""

ROUTE_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "HTTP": ("HTTPRoute", "GRPCRoute"),
    "HTTPS": ("HTTPRoute", "GRPCRoute"),
    "TLS": ("TLSRoute",),
    "TCP": ("TCPRoute",),
}
"""The protocols of listeners that are served, and which kinds of routes each takes."""


_LONGEST: Final = 63  # of a label's value, and of a Service's name
_DIGITS: Final = 8


def shortened(name: str) -> str:
    """``name`` where it is short enough for a label and a Service; else its beginning, and digits of a hash of it."""
    if len(name) <= _LONGEST:
        return name
    digits = sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name[: _LONGEST - _DIGITS - 1].rstrip('-.')}-{digits}"


class Fault(NamedTuple):
    """Why a part of an object cannot be carried out: the reason in conditions, where it stands, what is wrong.

    Shape: ``path`` is below the object's root, in dots (``spec.rules.0.filters.1``). ``kept`` is whether what was there
    before goes on to be used.
    """

    reason: str
    path: str
    message: str
    kept: bool = False


class GroupKind(NamedTuple):
    """A kind with its API group."""

    group: str
    kind: str


@dataclass(frozen=True, slots=True)
class GatewayClass:
    """A class of gateways; ``parameters`` is whether it names an object with settings, of which none is read.

    ``ours`` is whether its controller is this control plane.
    """

    ref: ObjectRef
    controller: str
    parameters: bool = False
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label (Kubernetes' matchExpressions)."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, of: Labels) -> bool:
        """Whether labels fulfil it; an operator that is not known never does."""
        value = dict(of).get(self.key)
        if self.operator == "In":
            return value in self.values
        if self.operator == "NotIn":
            return value not in self.values
        if self.operator == "Exists":
            return value is not None
        return self.operator == "DoesNotExist" and value is None


@dataclass(frozen=True, slots=True)
class Admission:
    """Which routes a listener takes: ``kinds`` empty is all of its protocol; ``sources``: All, Same, Selector, None."""

    sources: str = "Same"
    selector: tuple[Requirement, ...] = ()
    kinds: tuple[GroupKind, ...] = ()


class Reference(NamedTuple):
    """An object by name, as another refers to it; ``namespace`` is filled in."""

    group: str
    kind: str
    namespace: str
    name: str

    @property
    def ref(self) -> ObjectRef:
        """The object's name."""
        return ObjectRef(*self)


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener as written; ``hostname`` ``""`` is any. ``mode`` is ``""`` where it has no tls block.

    ``clients`` are the ConfigMaps with authorities for clients, None where nobody must prove anything; ``optional`` is
    whether those that prove nothing are let in. ``option`` is Istio's word for what clients must prove, if given.
    ``owner`` is the ListenerSet that adds it, None for a Gateway's own.
    """

    name: str
    port: int
    protocol: str
    hostname: str = ""
    mode: str = ""
    certificates: tuple[Reference, ...] = ()
    admission: Admission = Admission()
    clients: tuple[Reference, ...] | None = None
    optional: bool = False
    option: str = ""
    owner: ObjectRef | None = None

    @property
    def section(self) -> str:
        """What tells it from all listeners of its Gateway: its name, which for a ListenerSet's holds the set's, too."""
        return self.name if self.owner is None else f"{self.owner.namespace}/{self.owner.name}/{self.name}"


class Clients(NamedTuple):
    """What clients of HTTPS listeners must prove, by which authorities; ``optional``: nobody must."""

    authorities: tuple[Reference, ...]
    optional: bool


@dataclass(frozen=True, slots=True)
class ListenerSet:
    """Listeners that are added to a Gateway, if it lets them be."""

    ref: ObjectRef
    gateway: ObjectRef
    listeners: tuple[Listener, ...]
    created: str = ""

    @property
    def age(self) -> tuple[str, str, str]:
        """What orders the sets of a Gateway: the oldest first, then by namespace and name."""
        return (self.created, self.ref.namespace, self.ref.name)


@dataclass(frozen=True, slots=True)
class ApiGateway:
    """A Gateway of the Gateway API; ``addresses`` are (type, value) as wished for.

    ``misdirected`` are the policies that answer 421, to requests on a connection that another listener should have.
    ``allowed_sets`` are the ListenerSets that may add listeners; ``clients`` is what clients must prove by port, of
    all other ports under 0.
    """

    ref: ObjectRef
    class_name: str
    listeners: tuple[Listener, ...]
    addresses: tuple[tuple[str, str], ...] = ()
    parameters: Reference | None = None
    client_certificate: Reference | None = None
    created: str = ""
    misdirected: Policies = NO_POLICIES
    allowed_sets: Admission = Admission("None")
    clients: tuple[tuple[int, Clients | None], ...] = ()


class ParentRef(NamedTuple):
    """A parent as a route names it; ``namespace`` is ``""`` and ``port`` 0 where the route says none."""

    group: str
    kind: str
    namespace: str
    name: str
    section: str = ""
    port: int = 0

    def target(self, home: str) -> ObjectRef:
        """The object that it means in a route of namespace ``home``."""
        group = "" if self.is_service else self.group
        return ObjectRef(group, self.kind, self.namespace or home, self.name)

    @property
    def is_gateway(self) -> bool:
        """Whether it means a Gateway."""
        return (self.group, self.kind) == (API_GROUP, "Gateway")

    @property
    def is_listener_set(self) -> bool:
        """Whether it means a ListenerSet."""
        return (self.group, self.kind) == (API_GROUP, "ListenerSet")

    @property
    def is_service(self) -> bool:
        """Whether it means a Service, hence traffic within the mesh."""
        return self.group in ("", "core") and self.kind == "Service"


@dataclass(frozen=True, slots=True)
class Backend:
    """A place where a share of a rule's requests goes; ``path`` is where it stands, ``fault`` why it cannot be used."""

    to: Reference
    destination: Destination
    weight: int
    policies: Policies = NO_POLICIES
    path: str = ""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a route. ``http`` has its matches and policies, and no destinations; None for connections.

    ``mirrors`` are the backends of copies. With ``faults`` it cannot be carried out as it is written: its requests are
    answered with 500, or, where not even its match can be made, it is left out (``dropped``).
    """

    backends: tuple[Backend, ...]
    http: HttpRoute | None = None
    mirrors: tuple[Backend, ...] = ()
    faults: tuple[Fault, ...] = ()
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """A route of the Gateway API: HTTPRoute, GRPCRoute, TLSRoute or TCPRoute.

    ``failing`` are the policies that answer 500; ``missing`` those that do so for a share that leads nowhere;
    ``unmatched`` those that answer 404.
    """

    ref: ObjectRef
    parents: tuple[ParentRef, ...]
    hostnames: tuple[str, ...]
    rules: tuple[Rule, ...]
    created: str = ""
    failing: Policies = NO_POLICIES
    missing: Policies = NO_POLICIES
    unmatched: Policies = NO_POLICIES

    @property
    def age(self) -> tuple[str, str, str]:
        """What orders rivals: the oldest first, then by namespace and name."""
        return (self.created, self.ref.namespace, self.ref.name)


@dataclass(frozen=True, slots=True)
class ReferenceGrant:
    """Objects of ``sources`` (kind, namespace) may refer to ``targets`` (kind, name; ``""``: any) of its namespace."""

    ref: ObjectRef
    sources: tuple[tuple[GroupKind, str], ...]
    targets: tuple[tuple[GroupKind, str], ...]


@dataclass(frozen=True, slots=True)
class BackendTls:
    """A BackendTLSPolicy. ``targets`` are Services of its namespace with the name of a port, or ``""``.

    ``policies`` say how endpoints are called, without the authorities that ``authorities`` (ConfigMaps) hold.
    """

    ref: ObjectRef
    targets: tuple[tuple[Reference, str], ...]
    authorities: tuple[Reference, ...]
    policies: Policies
    faults: tuple[Fault, ...] = ()
    created: str = ""


def config_map_name(name: str) -> str:
    """The name under which ConfigMaps with authorities stand among Secrets, none of which is called so."""
    return f"configmap/{name}"
