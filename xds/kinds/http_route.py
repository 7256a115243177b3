"""HTTPRoute of a VirtualService: which requests, and where they go. Its side effects are in http_policies.py."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import field

from xds.kinds.authored import Strict
from xds.kinds.destination import Destination
from xds.kinds.http_policies import CorsPolicy, Headers, HTTPFaultInjection, HTTPRetry, Percent
from xds.kinds.quantities import (
    Duration,
    HTTPStatus,
    Labels,
    NaturalInt32,
    OptionalPortNumber,
    PortNumber,
    WholePercent,
    about,
)
from xds.kinds.string_match import StringMatch


class HTTPMatchRequest(Strict, frozen=True, kw_only=True):
    """Conditions on a request; all of those given must hold."""

    name: Annotated[str, about("Name of the match, for logs and statistics.")] = ""
    uri: Annotated[StringMatch | None, about("Path; a prefix is a plain text prefix.")] = None
    scheme: Annotated[StringMatch | None, about("http or https.")] = None
    method: Annotated[StringMatch | None, about("Method, in capitals.")] = None
    authority: Annotated[StringMatch | None, about("Host the request names.")] = None
    headers: Annotated[
        dict[str, StringMatch],
        about("Headers by lower-case name; an empty condition asks for presence only."),
    ] = field(default_factory=dict)
    without_headers: Annotated[dict[str, StringMatch], about("Header conditions that must not hold.")] = field(
        default_factory=dict
    )
    query_params: Annotated[dict[str, StringMatch], about("Query parameters by name.")] = field(default_factory=dict)
    ignore_uri_case: Annotated[bool, about("Whether exact and prefix paths match in any case.")] = False
    port: Annotated[OptionalPortNumber, about("Port that the client addressed; 0 is any.")] = 0
    source_labels: Annotated[Labels, about("Labels that the client's workload must have.")] = field(
        default_factory=dict
    )
    source_namespace: Annotated[str, about("Namespace of the client's workload.")] = ""
    gateways: Annotated[
        tuple[str, ...],
        about("Where the match applies, instead of the rule's gateways."),
    ] = ()
    stat_prefix: Annotated[str, about("Prefix of the route's own statistics.")] = ""


class HTTPRouteDestination(Strict, frozen=True, kw_only=True):
    """One of the services that share the requests."""

    destination: Annotated[Destination, about("Where the share goes.")]
    weight: Annotated[NaturalInt32, about("Share, relative to the other weights of the route.")] = 0
    headers: Annotated[Headers | None, about("Header changes for this share.")] = None


class HTTPRedirect(Strict, frozen=True, kw_only=True):
    """An answer that sends the client elsewhere."""

    uri: Annotated[str, about("Path of the new location, whole.")] = ""
    prefix_rewrite: Annotated[str, about("Replaces the matched prefix of the path; not with `uri`.")] = ""
    authority: Annotated[str, about("Host of the new location.")] = ""
    port: Annotated[PortNumber | None, about("Port of the new location; not with `derivePort`.")] = None
    derive_port: Annotated[
        Literal["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"] | None,
        about("Take the port from the scheme, or from the request; not with `port`."),
    ] = None
    scheme: Annotated[str, about("Scheme of the new location: http or https.")] = ""
    redirect_code: Annotated[
        Literal[0, 301, 302, 303, 307, 308],
        about("Status of the answer; 301 when absent or 0."),
    ] = 0


class HTTPBody(Strict, frozen=True, kw_only=True):
    """The body of a fixed answer."""

    string: Annotated[str | None, about("As text; not with `bytes`.")] = None
    bytes: Annotated[str | None, about("As base64; not with `string`.")] = None


class HTTPDirectResponse(Strict, frozen=True, kw_only=True):
    """A fixed answer, made by the proxy."""

    status: Annotated[HTTPStatus, about("Status of the answer.")]
    body: Annotated[HTTPBody | None, about("Its body; empty when absent.")] = None


class Delegate(Strict, frozen=True, kw_only=True):
    """Another VirtualService that holds the details of this route."""

    name: Annotated[str, about("Its name.")] = ""
    namespace: Annotated[str, about("Its namespace; the rule's own when absent.")] = ""


class RegexRewrite(Strict, frozen=True, kw_only=True):
    """A rewrite of the path by a regular expression."""

    match: Annotated[str, about("RE2 expression that finds what is replaced.")] = ""
    rewrite: Annotated[str, about(r"Replacement; \1 stands for the first group.")] = ""


class HTTPRewrite(Strict, frozen=True, kw_only=True):
    """Changes to path and host before the request is forwarded."""

    uri: Annotated[
        str,
        about("Replaces the matched prefix, or the whole path after an exact match."),
    ] = ""
    authority: Annotated[str, about("Replaces the Host header.")] = ""
    uri_regex_rewrite: Annotated[RegexRewrite | None, about("Rewrites the path; not with `uri`.")] = None


class HTTPMirrorPolicy(Strict, frozen=True, kw_only=True):
    """A copy of the requests that goes to another service; its answers are thrown away."""

    destination: Annotated[Destination, about("Where the copies go.")]
    percentage: Annotated[Percent | None, about("Share of the requests that is copied; all when absent.")] = None


class HTTPRoute(Strict, frozen=True, kw_only=True):
    """What happens to requests that match."""

    name: Annotated[str, about("Name of the route, for logs.")] = ""
    match: Annotated[tuple[HTTPMatchRequest, ...], about("Any of these; every request when empty.")] = ()
    route: Annotated[tuple[HTTPRouteDestination, ...], about("Services that share the requests.")] = ()
    redirect: Annotated[HTTPRedirect | None, about("Send the client elsewhere; not with `route`.")] = None
    direct_response: Annotated[HTTPDirectResponse | None, about("Answer at once; not with `route`.")] = None
    delegate: Annotated[Delegate | None, about("Leave the details to another VirtualService.")] = None
    rewrite: Annotated[HTTPRewrite | None, about("Change path or host on the way.")] = None
    timeout: Annotated[
        Duration | None,
        about("Longest time for the whole request; none when absent or 0s."),
    ] = None
    retries: Annotated[HTTPRetry | None, about("When to try again.")] = None
    fault: Annotated[HTTPFaultInjection | None, about("Delays and errors to inject.")] = None
    mirror: Annotated[Destination | None, about("Service that gets a copy of each request.")] = None
    mirrors: Annotated[tuple[HTTPMirrorPolicy, ...], about("Several services that get copies.")] = ()
    mirror_percent: Annotated[WholePercent | None, about("Deprecated: use `mirrorPercentage`.")] = None
    mirror_percent_snake: Annotated[WholePercent | None, about("Deprecated: use `mirrorPercentage`.")] = field(
        name="mirror_percent", default=None
    )
    mirror_percentage: Annotated[Percent | None, about("Share of `mirror`; all when absent.")] = None
    cors_policy: Annotated[CorsPolicy | None, about("Cross-origin rules.")] = None
    headers: Annotated[Headers | None, about("Header changes.")] = None
