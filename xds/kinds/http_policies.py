"""What an HTTPRoute does beside forwarding: header edits, retries, faults, CORS."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import field

from xds.kinds.authored import Strict
from xds.kinds.quantities import (
    Duration,
    HTTPStatus,
    Labels,
    NaturalInt32,
    PercentNumber,
    PositiveDuration,
    WholePercent,
    about,
)
from xds.kinds.string_match import StringMatch


class HeaderOperations(Strict, frozen=True, kw_only=True):
    """Edits of one direction's headers."""

    set: Annotated[Labels, about("Headers that get this value, whatever they had.")] = field(default_factory=dict)
    add: Annotated[Labels, about("Values that are added to what is there.")] = field(default_factory=dict)
    remove: Annotated[tuple[str, ...], about("Headers that go.")] = ()


class Headers(Strict, frozen=True, kw_only=True):
    """Edits of the headers of requests and of responses."""

    request: Annotated[HeaderOperations | None, about("Before the request is forwarded.")] = None
    response: Annotated[HeaderOperations | None, about("Before the response goes back.")] = None


class HTTPRetry(Strict, frozen=True, kw_only=True):
    """When a failed request is tried again."""

    attempts: Annotated[NaturalInt32, about("Retries after the first try; 0 turns retries off.")] = 0
    per_try_timeout: Annotated[
        Duration | None,
        about("Longest time for one try; the route's timeout if absent."),
    ] = None
    retry_on: Annotated[str, about("Conditions of Envoy and status codes, with commas between.")] = ""
    retry_remote_localities: Annotated[bool | None, about("Whether a retry may go to another locality.")] = None
    retry_ignore_previous_hosts: Annotated[bool | None, about("Whether a retry avoids hosts that failed it.")] = None
    backoff: Annotated[
        PositiveDuration | None,
        about("Pause before a retry, which grows; 25ms when absent."),
    ] = None


class CorsPolicy(Strict, frozen=True, kw_only=True):
    """Which pages of other origins may call."""

    allow_origin: Annotated[tuple[str, ...], about("Deprecated: use `allowOrigins`.")] = ()
    allow_origins: Annotated[tuple[StringMatch, ...], about("Origins that may call.")] = ()
    allow_methods: Annotated[tuple[str, ...], about("Methods that they may use.")] = ()
    allow_headers: Annotated[tuple[str, ...], about("Headers that they may send.")] = ()
    expose_headers: Annotated[tuple[str, ...], about("Headers of the answer that they may read.")] = ()
    max_age: Annotated[Duration | None, about("How long a preflight's answer holds.")] = None
    allow_credentials: Annotated[bool | None, about("Whether they may send credentials.")] = None
    unmatched_preflights: Annotated[
        Literal["UNSPECIFIED", "FORWARD", "IGNORE"],
        about("What happens to preflights of other origins."),
    ] = "UNSPECIFIED"


class Percent(Strict, frozen=True, kw_only=True):
    """A share of 100, fractions allowed."""

    value: Annotated[PercentNumber, about("From 0 to 100.")] = 0.0


class Delay(Strict, frozen=True, kw_only=True):
    """Requests that are held up."""

    percent: Annotated[WholePercent, about("Deprecated: use `percentage`.")] = 0
    fixed_delay: Annotated[PositiveDuration | None, about("How long.")] = None
    exponential_delay: Annotated[PositiveDuration | None, about("Not read, as in Istio.")] = None
    percentage: Annotated[Percent | None, about("Share of the requests; none when absent.")] = None


class Abort(Strict, frozen=True, kw_only=True):
    """Requests that are answered with an error."""

    http_status: Annotated[HTTPStatus | None, about("The error, as an HTTP status.")] = None
    grpc_status: Annotated[str | None, about("The error, as the name of a gRPC status.")] = None
    http2_error: Annotated[str | None, about("Not read, as in Istio.")] = field(name="http2Error", default=None)
    percentage: Annotated[Percent | None, about("Share of the requests; none when absent.")] = None


class HTTPFaultInjection(Strict, frozen=True, kw_only=True):
    """Faults to inject, for tests."""

    delay: Annotated[Delay | None, about("Requests that are held up.")] = None
    abort: Annotated[Abort | None, about("Requests that are answered with an error.")] = None
