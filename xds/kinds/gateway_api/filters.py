"""What rules of HTTPRoutes and GRPCRoutes do beside forwarding."""

from __future__ import annotations

from typing import Annotated

from xds.kinds.authored import Anything, Lenient
from xds.kinds.gateway_api.references import BackendObjectReference
from xds.kinds.quantities import NaturalInt32, PortNumber, about


class HTTPHeader(Lenient, frozen=True, kw_only=True):
    """A header and its value."""

    name: Annotated[str, about("Name.")]
    value: Annotated[str, about("Value, taken as it stands.")]


class HTTPHeaderFilter(Lenient, frozen=True, kw_only=True):
    """Edits of headers."""

    set: Annotated[tuple[HTTPHeader, ...], about("Headers that get this value, whatever they had.")] = ()
    add: Annotated[tuple[HTTPHeader, ...], about("Values that are added to what is there.")] = ()
    remove: Annotated[tuple[str, ...], about("Headers that go.")] = ()


class HTTPPathModifier(Lenient, frozen=True, kw_only=True):
    """A new path."""

    type: Annotated[str, about("ReplaceFullPath or ReplacePrefixMatch.")]
    replace_full_path: Annotated[str | None, about("The whole new path.")] = None
    replace_prefix_match: Annotated[str | None, about("What stands in place of the prefix that was matched.")] = None


class HTTPRequestRedirect(Lenient, frozen=True, kw_only=True):
    """An answer that sends the client elsewhere; what is absent stays as in the request."""

    scheme: Annotated[str | None, about("http or https.")] = None
    hostname: Annotated[str | None, about("Host.")] = None
    path: Annotated[HTTPPathModifier | None, about("Path.")] = None
    port: Annotated[PortNumber | None, about("Port; that of the scheme, else of the listener, when absent.")] = None
    status_code: Annotated[int, about("301, 302, 303, 307 or 308.")] = 302


class HTTPURLRewrite(Lenient, frozen=True, kw_only=True):
    """A new path or host for the backend."""

    hostname: Annotated[str | None, about("Host.")] = None
    path: Annotated[HTTPPathModifier | None, about("Path.")] = None


class Fraction(Lenient, frozen=True, kw_only=True):
    """A share as a fraction."""

    numerator: Annotated[NaturalInt32, about("How many.")]
    denominator: Annotated[int, about("Of how many.")] = 100


class HTTPRequestMirror(Lenient, frozen=True, kw_only=True):
    """A place that gets copies of requests."""

    backend_ref: Annotated[BackendObjectReference, about("Where copies go.")]
    percent: Annotated[float | None, about("Share of the requests in per cent; all when absent.")] = None
    fraction: Annotated[Fraction | None, about("The share as a fraction instead.")] = None


class HTTPCORS(Lenient, frozen=True, kw_only=True):
    """Which pages of other origins may call, as browsers are told."""

    allow_origins: Annotated[tuple[str, ...], about("Origins; * stands for any, or for the start of a host.")] = ()
    allow_credentials: Annotated[bool | None, about("Whether calls may carry the user's credentials.")] = None
    allow_methods: Annotated[tuple[str, ...], about("Methods; * is any.")] = ()
    allow_headers: Annotated[tuple[str, ...], about("Request headers; * is any.")] = ()
    expose_headers: Annotated[tuple[str, ...], about("Response headers that pages may read.")] = ()
    max_age: Annotated[NaturalInt32, about("Seconds for which browsers remember it.")] = 5


class Filter(Lenient, frozen=True, kw_only=True):
    """One step of what is done; ``type`` says which, and the field of that name how."""

    type: Annotated[
        str,
        about(
            "RequestHeaderModifier, ResponseHeaderModifier, RequestRedirect, URLRewrite, RequestMirror or CORS; other "
            "types are not carried out: requests are answered with 500."
        ),
    ]
    request_header_modifier: Annotated[HTTPHeaderFilter | None, about("Edits of requests.")] = None
    response_header_modifier: Annotated[HTTPHeaderFilter | None, about("Edits of responses.")] = None
    request_redirect: Annotated[HTTPRequestRedirect | None, about("An answer that sends the client elsewhere.")] = None
    url_rewrite: Annotated[HTTPURLRewrite | None, about("A new path or host.")] = None
    request_mirror: Annotated[HTTPRequestMirror | None, about("Copies of requests.")] = None
    cors: Annotated[HTTPCORS | None, about("Which pages of other origins may call.")] = None
    external_auth: Annotated[Anything, about("Not carried out.")] = None
    extension_ref: Annotated[Anything, about("Not carried out.")] = None
