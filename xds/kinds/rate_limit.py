"""RateLimit: how many requests workloads take. Our own kind, as Istio leaves rate limits to EnvoyFilter."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from xds.kinds.authored import Authored, Kind, Strict
from xds.kinds.quantities import NonEmpty, PortNumber, PositiveDuration, about
from xds.kinds.string_match import StringMatch
from xds.kinds.target_reference import PolicyTargetReference
from xds.kinds.workload_selector import WorkloadSelector

Tokens = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class RequestMatch(Strict, frozen=True, kw_only=True):
    """Conditions on a request; all of those given must hold."""

    uri: Annotated[StringMatch | None, about("Path without query.")] = None
    method: Annotated[StringMatch | None, about("Method, in capitals.")] = None
    authority: Annotated[StringMatch | None, about("Host that the request names.")] = None
    headers: Annotated[dict[str, StringMatch], about("Headers by name; an empty condition asks for presence only.")] = (
        field(default_factory=dict)
    )


class CountedBy(Strict, frozen=True, kw_only=True):
    """What requests are told apart by: one of these."""

    header: Annotated[str, about("The value of a header; requests without it are not counted.")] = ""
    caller: Annotated[
        Literal["identity", "address"] | None,
        about("The caller's proven SPIFFE id, or the address where the request started."),
    ] = None
    query_param: Annotated[str, about("The value of a query parameter; requests without it are not counted.")] = ""


class Limit(Strict, frozen=True, kw_only=True):
    """How many requests of a sort are taken in a time."""

    name: Annotated[NonEmpty, about("Its name, unique in the object; counters and a rate limit service see it.")]
    match: Annotated[tuple[RequestMatch, ...], about("Which requests are counted, any of these; all when empty.")] = ()
    by: Annotated[
        tuple[CountedBy, ...], about("What they are told apart by: each combination has a count of its own.")
    ] = ()
    requests: Annotated[Tokens | None, about("Requests that are taken in a period; not with `service`.")] = None
    period: Annotated[PositiveDuration | None, about("The period, at least 50ms; 1s when absent.")] = None
    burst: Annotated[Tokens | None, about("Requests taken at once after a pause; as `requests` when absent.")] = None
    headers: Annotated[bool, about("Whether answers tell of it: `x-ratelimit-limit`, `-remaining`, `-reset`.")] = True
    dry_run: Annotated[bool, about("Count only, refuse nobody.")] = False


class RateLimitService(Strict, frozen=True, kw_only=True):
    """Who counts instead of the proxies: a service that speaks Envoy's rate limit protocol (rls.proto)."""

    host: Annotated[NonEmpty, about("Host of the service; a short name is one of the same namespace.")]
    port: Annotated[PortNumber, about("Its port, which speaks gRPC.")]
    domain: Annotated[NonEmpty, about("The domain that it knows these limits under.")]
    timeout: Annotated[PositiveDuration | None, about("Longest wait for its answer; 100ms when absent.")] = None
    fail_closed: Annotated[bool, about("Refuse requests when it does not answer, instead of taking them.")] = False


class RateLimitSpec(Strict, frozen=True, kw_only=True):
    """How many requests workloads take."""

    selector: Annotated[WorkloadSelector | None, about("Workloads it is for; all of the namespace when absent.")] = None
    target_refs: Annotated[tuple[PolicyTargetReference, ...], about("What it is for, instead of workloads.")] = ()
    share: Annotated[
        Literal["PROXY", "FLEET"],
        about("PROXY: each proxy takes as many. FLEET: all of them together; each takes its part."),
    ] = "PROXY"
    limits: Annotated[tuple[Limit, ...], Meta(min_length=1), about("The limits; a request must be within all of them.")]
    service: Annotated[RateLimitService | None, about("Who counts instead of the proxies.")] = None


class RateLimit(Authored, frozen=True, kw_only=True):
    """How many requests workloads take; 429 (RESOURCE_EXHAUSTED for gRPC) for the others."""

    KIND: ClassVar[Kind] = Kind("networking.plait.dev", "RateLimit", ("v1alpha1",), "ratelimits", ("rl",))

    spec: Annotated[RateLimitSpec, about("The limits.")]
