"""HTTPRoute: where HTTP requests go that come in by a Gateway, or that are sent to a Service."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import field

from xds.kinds.authored import Anything, Kind, Lenient, Stored
from xds.kinds.gateway_api.filters import Filter
from xds.kinds.gateway_api.references import GROUP, BackendRef, ParentReference
from xds.kinds.quantities import Duration, NaturalInt32, about


class HTTPPathMatch(Lenient, frozen=True, kw_only=True):
    """A condition on the path."""

    type: Annotated[str, about("Exact, PathPrefix (by whole segments) or RegularExpression.")] = "PathPrefix"
    value: Annotated[str, about("What the path must be.")] = "/"


class ValueMatch(Lenient, frozen=True, kw_only=True):
    """A condition on a header or a query parameter."""

    type: Annotated[str, about("Exact or RegularExpression.")] = "Exact"
    name: Annotated[str, about("Name.")]
    value: Annotated[str, about("What the value must be.")] = ""


class HTTPRouteMatch(Lenient, frozen=True, kw_only=True):
    """Conditions that must all hold."""

    path: Annotated[HTTPPathMatch, about("Of the path; any when absent.")] = HTTPPathMatch()
    headers: Annotated[tuple[ValueMatch, ...], about("Of headers.")] = ()
    query_params: Annotated[tuple[ValueMatch, ...], about("Of query parameters.")] = ()
    method: Annotated[str | None, about("The method; any when absent.")] = None


class HTTPBackendRef(BackendRef, frozen=True, kw_only=True):
    """Where a share of the requests goes."""

    filters: Annotated[tuple[Filter, ...], about("What is done to this share alone: header modifiers.")] = ()


class HTTPRouteTimeouts(Lenient, frozen=True, kw_only=True):
    """How long things may take."""

    request: Annotated[Duration | None, about("The whole request; 0s is no limit.")] = None
    backend_request: Annotated[Duration | None, about("One try; 0s is no limit.")] = None


class HTTPRouteRetry(Lenient, frozen=True, kw_only=True):
    """When a failed request is tried again."""

    codes: Annotated[tuple[int, ...], about("Status codes that count as failures.")] = ()
    attempts: Annotated[NaturalInt32 | None, about("Retries after the first try; 2 when absent.")] = None
    backoff: Annotated[Duration | None, about("Pause before the first retry.")] = None


class HTTPRouteRule(Lenient, frozen=True, kw_only=True):
    """Which requests are meant, what is done, where they go."""

    name: Annotated[str | None, about("Name.")] = None
    matches: Annotated[tuple[HTTPRouteMatch, ...], about("Alternatives; all requests when empty.")] = ()
    filters: Annotated[tuple[Filter, ...], about("What is done beside forwarding.")] = ()
    backend_refs: Annotated[tuple[HTTPBackendRef, ...], about("Where requests go, by weight.")] = ()
    timeouts: Annotated[HTTPRouteTimeouts | None, about("How long it may take.")] = None
    retry: Annotated[HTTPRouteRetry | None, about("When a failed request is tried again.")] = None
    session_persistence: Annotated[Anything, about("Not carried out.")] = None


class HTTPRouteSpec(Lenient, frozen=True, kw_only=True):
    """What the route is attached to, and its rules."""

    parent_refs: Annotated[tuple[ParentReference, ...], about("Gateways, or Services, that it is for.")] = ()
    hostnames: Annotated[tuple[str, ...], about("Hosts that are asked for; all of the listener's when empty.")] = ()
    rules: Annotated[tuple[HTTPRouteRule, ...], about("Rules.")] = field(
        default_factory=lambda: (HTTPRouteRule(matches=(HTTPRouteMatch(),)),)
    )


class HTTPRoute(Stored, frozen=True, kw_only=True):
    """Where HTTP requests go that come in by a Gateway, or that are sent to a Service."""

    KIND: ClassVar[Kind] = Kind(GROUP, "HTTPRoute", ("v1", "v1beta1"), "httproutes")

    spec: Annotated[HTTPRouteSpec, about("Parents and rules.")] = field(default_factory=HTTPRouteSpec)
