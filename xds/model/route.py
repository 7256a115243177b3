"""Routing as the mesh means it: who is asked for, which condition holds, where the request goes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from xds.model.labels import NO_LABELS, Labels
from xds.model.refs import ObjectRef

if TYPE_CHECKING:
    from xds.model.policy import Policies


class Comparison(Enum):
    """How a string is compared (Istio's StringMatch; the last is the Gateway API's PathPrefix, for paths alone)."""

    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"
    PRESENT = "present"
    SEGMENTS = "segments"


@dataclass(frozen=True, slots=True)
class StringMatch:
    """A comparison with a value; ``PRESENT`` has none."""

    comparison: Comparison
    value: str = ""


@dataclass(frozen=True, slots=True)
class NamedMatch:
    """A comparison of a named thing (header, query parameter); ``invert`` asks that it does not hold."""

    name: str
    match: StringMatch
    invert: bool = False


@dataclass(frozen=True, slots=True)
class RequestMatch:
    """What a request must look like: all that is set must hold (the part of a match that Envoy decides)."""

    path: StringMatch | None = None
    ignore_case: bool = False
    headers: tuple[NamedMatch, ...] = ()
    queries: tuple[NamedMatch, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceMatch:
    """What the caller must be: the part of a match that is decided here and never sent."""

    port: int = 0
    namespace: str = ""
    labels: Labels = NO_LABELS
    gateways: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """One alternative of an HTTP route's match list; ``stated`` is the field that says it, as a path in its object."""

    request: RequestMatch = RequestMatch()
    source: SourceMatch = SourceMatch()
    name: str = ""
    stat_prefix: str = ""
    stated: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Destination:
    """Where requests go: a host by its full name, a subset of it (or ``""``), a port (or 0 when left out)."""

    host: str
    subset: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class WeightedDestination:
    """A destination with its relative share, and the policies of that share alone."""

    destination: Destination
    weight: int
    policies: Policies


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """One entry of a VirtualService's ``http``; ``destinations`` is empty where a policy answers (redirect, direct)."""

    name: str
    matches: tuple[Match, ...]
    destinations: tuple[WeightedDestination, ...]
    policies: Policies
    delegate: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ConnectionMatch:
    """One alternative of a TCP or TLS route's match list."""

    sni_hosts: tuple[str, ...] = ()
    destination_subnets: tuple[str, ...] = ()
    source: SourceMatch = SourceMatch()


@dataclass(frozen=True, slots=True)
class ConnectionRoute:
    """One entry of a VirtualService's ``tcp`` or ``tls``."""

    matches: tuple[ConnectionMatch, ...]
    destinations: tuple[WeightedDestination, ...]


@dataclass(frozen=True, slots=True)
class VirtualService:
    """The routes of some hosts (full names, or wildcards ``*.x``); ``created`` orders rivals, oldest first."""

    ref: ObjectRef
    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    export_to: tuple[str, ...]
    http: tuple[HttpRoute, ...] = ()
    tls: tuple[ConnectionRoute, ...] = ()
    tcp: tuple[ConnectionRoute, ...] = ()
    created: str = ""
