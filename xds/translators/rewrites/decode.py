"""Reading ``rewrite`` of a VirtualService's route, and the Host header that ``headers.request.set`` sets."""

from __future__ import annotations

import re
from typing import Final

from xds.kinds.http_policies import Headers
from xds.kinds.http_route import HTTPRewrite, HTTPRoute, HTTPRouteDestination
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.headers.policy import names_host
from xds.translators.regex import groups, refusal
from xds.translators.rewrites.policy import HostRewrite, PathRewrite

_CONTROL: Final = re.compile(r"[\x00\r\n]")
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)


def route_path(route: HTTPRoute, at: FieldRef, reading: Reading) -> PathRewrite | None:
    """The policy in ``rewrite.uri`` or ``rewrite.uriRegexRewrite``; None when both are absent.

    Problems: rewrites.path, rewrites.regex, rewrites.substitution, rewrites.empty, rewrites.whole-path,
    rewrites.no-effect. Source: istio networking/v1 HTTPRewrite.
    """
    spec = route.rewrite
    if spec is None:
        return None
    at = at / "rewrite"
    if spec == HTTPRewrite():
        reading.warning(at, "rewrites.empty", "has no field, so nothing is rewritten")
    if route.direct_response is not None:
        reading.warning(at, "rewrites.no-effect", "has no effect where the proxy answers itself")
    if spec.uri_regex_rewrite is not None:
        return _by_regex(spec, at / "uriRegexRewrite", reading)
    if not spec.uri:
        return None
    _check_uri(route, spec.uri, at / "uri", reading)
    return PathRewrite(prefix=spec.uri)


def _check_uri(route: HTTPRoute, uri: str, at: FieldRef, reading: Reading) -> None:
    if _CONTROL.search(uri):
        reading.error(at, "rewrites.path", "must not have line breaks or zero bytes")
    elif not uri.startswith("/"):
        reading.warning(at, "rewrites.path", f"does not begin with /, is {uri!r}; servers refuse such paths")
    if any(each.uri is not None and each.uri.regex is not None for each in route.match):
        message = "replaces the whole path after a regex match; uriRegexRewrite replaces parts of it"
        reading.warning(at, "rewrites.whole-path", message)


def _by_regex(spec: HTTPRewrite, at: FieldRef, reading: Reading) -> PathRewrite | None:
    assert spec.uri_regex_rewrite is not None
    pattern, substitution = spec.uri_regex_rewrite.match, spec.uri_regex_rewrite.rewrite
    if why := refusal(pattern):
        reading.error(at / "match", "rewrites.regex", f"must be an RE2 regular expression: {why}")
        return None
    known = groups(pattern)
    for escaped in _ESCAPE.findall(substitution):
        if escaped != "\\" and not (escaped in tuple("0123456789") and int(escaped) <= known):
            message = rf"must have \0 to \{known} for groups and \\ for a backslash, has \{escaped}"
            reading.error(at / "rewrite", "rewrites.substitution", message)
    if _CONTROL.search(substitution):
        reading.error(at / "rewrite", "rewrites.substitution", "must not have line breaks or zero bytes")
    return PathRewrite(regex=pattern, substitution=substitution)


def route_host(route: HTTPRoute, at: FieldRef, reading: Reading) -> HostRewrite | None:
    """The host in ``rewrite.authority``, else in ``headers.request.set``; None when both say nothing of it.

    Problems: rewrites.authority, rewrites.two-hosts.
    """
    by_header = _host_header(route.headers, at / "headers.request.set", reading)
    authority = route.rewrite.authority if route.rewrite is not None else ""
    if not authority:
        return by_header
    if by_header is not None and by_header.authority != authority:
        message = f"wins over the Host that headers.request.set sets, {by_header.authority!r}"
        reading.warning(at / "rewrite.authority", "rewrites.two-hosts", message)
    _check_host(authority, at / "rewrite.authority", reading)
    return HostRewrite(authority)


def destination_host(share: HTTPRouteDestination, at: FieldRef, reading: Reading) -> HostRewrite | None:
    """The host that ``headers.request.set`` of one destination sets; None when it sets none."""
    return _host_header(share.headers, at / "headers.request.set", reading)


def _host_header(headers: Headers | None, at: FieldRef, reading: Reading) -> HostRewrite | None:
    if headers is None or headers.request is None:
        return None
    for name in sorted(headers.request.set):
        if names_host(name):
            _check_host(headers.request.set[name], at.key(name), reading)
            return HostRewrite(headers.request.set[name])
    return None


def _check_host(host: str, at: FieldRef, reading: Reading) -> None:
    if not host or any(character.isspace() or character in "\x00/" for character in host):
        reading.error(at, "rewrites.authority", f"must be a host, with a port or without, is {host!r}")
