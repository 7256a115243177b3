"""Gateways: the servers that routers are told to be, whichever kind says so, and what of routes is bound to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from xds.model.labels import NO_LABELS, Labels
from xds.model.refs import ObjectRef
from xds.model.route import ConnectionMatch, HttpRoute, Match, WeightedDestination
from xds.model.security import USUAL_TLS, TlsBounds
from xds.model.service import Protocol

ISTIO_GROUP: Final = "networking.istio.io"
API_GROUP: Final = "gateway.networking.k8s.io"


def gateway_ref(name: str, namespace: str) -> ObjectRef:
    """The Istio Gateway that ``name`` (``ns/name``, or a name alone) means in ``namespace``."""
    owner, _, plain = name.rpartition("/")
    return ObjectRef(ISTIO_GROUP, "Gateway", owner or namespace, plain)


class EdgeTlsMode(Enum):
    """What a server does with TLS (Istio's ServerTLSSettings.TLSmode; the Gateway API's Terminate is SIMPLE)."""

    PASSTHROUGH = "PASSTHROUGH"
    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"
    OPTIONAL_MUTUAL = "OPTIONAL_MUTUAL"
    ISTIO_MUTUAL = "ISTIO_MUTUAL"
    AUTO_PASSTHROUGH = "AUTO_PASSTHROUGH"


class CredentialName(NamedTuple):
    """A Secret (or a ConfigMap with authorities) by name; ``namespace`` is ``""`` for the router's own."""

    name: str
    namespace: str = ""
    config_map: bool = False


@dataclass(frozen=True, slots=True)
class EdgeTls:
    """The TLS of a server: what it shows, and whom it believes.

    ``certificates`` are those that it shows; ``authorities`` what proves clients, where it is not beside the first
    certificate. ``pairs`` are certificates and keys as paths in the proxy, ``authorities_file`` and ``revoked_file``
    such paths too. ``names`` are subject alternative names of which a client must prove one; ``hashes`` and ``spki``
    pin its certificate. ``maximum`` is a version as in ``bounds``, or empty. ``unproven``: a certificate that nobody
    vouches for is taken, too.
    """

    mode: EdgeTlsMode
    certificates: tuple[CredentialName, ...] = ()
    authorities: CredentialName | None = None
    pairs: tuple[tuple[str, str], ...] = ()
    authorities_file: str = ""
    revoked_file: str = ""
    names: tuple[str, ...] = ()
    spki: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    bounds: TlsBounds = USUAL_TLS
    maximum: str = ""
    verify: bool = True
    unproven: bool = False


class ServerHost(NamedTuple):
    """A host that a server takes; only routes of ``namespace`` may be bound to it (``*``: of all)."""

    host: str
    namespace: str = "*"


@dataclass(frozen=True, slots=True)
class Server:
    """One port of a gateway: an entry of an Istio Gateway's ``servers``, or a listener of a Gateway API Gateway.

    ``port`` is the Service's; ``section`` is its name or, without one, its place in the list.
    """

    section: str
    port: int
    protocol: Protocol
    hosts: tuple[ServerHost, ...]
    tls: EdgeTls | None = None
    bind: str = ""
    https_redirect: bool = False
    port_name: str = ""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The servers of one Gateway object, valid ones only; ``created`` orders rivals, oldest first."""

    ref: ObjectRef
    servers: tuple[Server, ...]
    created: str = ""


class GatewaySelector(NamedTuple):
    """Which routers a gateway is for, light: so that who asks for its routers reads none of its servers.

    ``namespace`` is ``""`` where routers of any are meant; without labels, all of them.
    """

    of: ObjectRef
    created: str = ""
    selector: Labels = NO_LABELS
    namespace: str = ""


class Binding(NamedTuple):
    """A VirtualService that names a gateway, light: who asks which hosts a gateway has depends on no route.

    ``http`` is whether it has routes for requests, ``connections`` whether it has some for connections.
    """

    created: str
    of: ObjectRef
    hosts: tuple[str, ...]
    export_to: tuple[str, ...] = ()
    http: bool = True
    connections: bool = False


class BoundRoute(NamedTuple):
    """One alternative of a route that is bound to a server, and the object that says it.

    ``root`` is the object that has left it to that one, if any.
    """

    authored: ObjectRef
    route: HttpRoute
    match: Match
    root: ObjectRef | None = None


class BoundHost(NamedTuple):
    """A host of a server with its routes, in the order in which they are tried."""

    host: str
    routes: tuple[BoundRoute, ...]


class BoundConnection(NamedTuple):
    """Where a server's connections go: of these names (none: any) and subnets, to these destinations by weight."""

    authored: ObjectRef
    match: ConnectionMatch
    destinations: tuple[WeightedDestination, ...]
