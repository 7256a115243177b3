"""Which virtual host and which of its routes takes a request: as Envoy looks for them.

Source: route.v3.VirtualHost.domains and RouteMatch of Envoy; ``tests/envoy/test_routes_agree.py`` asks real proxies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import re2

from xds.explain.matching import normalized
from xds.explain.path.dialled import Dialled
from xds.model.mesh import Paths
from xds.model.route import Comparison, NamedMatch, RequestMatch, StringMatch
from xds.view.specs.routes import RouteSpec, RouteTable, VirtualHostSpec


def host_of(table: RouteTable, authority: str) -> VirtualHostSpec | None:
    """The virtual host of a Host header: one of that name, the longest wildcard, or the one that takes all."""
    name = (authority if table.by_port else without_port(authority)).lower()
    domains = {domain.lower(): host for host in table.virtual_hosts for domain in host.domains}
    if name in domains:
        return domains[name]
    starred = [each for each in domains if each.startswith("*") and each != "*" and name.endswith(each[1:])]
    starred = [each for each in starred if len(name) >= len(each)]
    return domains.get(max(starred, key=len, default="*"))


def without_port(authority: str) -> str:
    """The host of an authority: ``web:80`` is ``web``."""
    host, colon, port = authority.rpartition(":")
    return host if colon and port.isdecimal() and not host.endswith(":") else authority


def route_of(host: VirtualHostSpec, dialled: Dialled, paths: Paths) -> RouteSpec | None:
    """The first route that takes the request; None where Envoy answers 404."""
    return next((each for each in host.routes if takes(each.match, dialled, paths)), None)


def takes(wanted: RequestMatch, dialled: Dialled, paths: Paths) -> bool:
    """Whether all conditions of a match hold."""
    http = dialled.http
    path = normalized(http.path, paths)
    if wanted.path is not None and not _path(wanted.path, path, ignore_case=wanted.ignore_case):
        return False
    if not all(_header(each, dialled) for each in wanted.headers):
        return False
    queries = _queries(http.path)
    return all(_query(each, queries) for each in wanted.queries)


def _path(wanted: StringMatch, path: str, *, ignore_case: bool) -> bool:
    value = wanted.value
    if wanted.comparison is Comparison.REGEX:
        return re2.fullmatch(value, path) is not None
    if ignore_case:
        value, path = value.lower(), path.lower()
    if wanted.comparison is Comparison.SEGMENTS:
        return path == value or path.startswith(value + "/")
    return _COMPARED[wanted.comparison](value, path)


_COMPARED: Final[dict[Comparison, Callable[[str, str], bool]]] = {
    Comparison.EXACT: lambda value, found: found == value,
    Comparison.PREFIX: lambda value, found: found.startswith(value),
    Comparison.SEGMENTS: lambda value, found: found.startswith(value),
    Comparison.REGEX: lambda value, found: re2.fullmatch(value, found) is not None,
    Comparison.PRESENT: lambda _value, _found: True,
}


def _header(wanted: NamedMatch, dialled: Dialled) -> bool:
    found = dialled.scheme if wanted.name == ":scheme" else dialled.http.header(wanted.name)
    if wanted.match.comparison is Comparison.PRESENT:
        return (found is not None) is not wanted.invert
    if found is None:
        return wanted.invert and not _COMPARED[wanted.match.comparison](wanted.match.value, "")
    return _COMPARED[wanted.match.comparison](wanted.match.value, found) is not wanted.invert


def _queries(path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    query = path.partition("#")[0].partition("?")[2]
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        found.setdefault(name, value)
    return found


def _query(wanted: NamedMatch, queries: dict[str, str]) -> bool:
    if wanted.name not in queries:
        return False
    return _COMPARED[wanted.match.comparison](wanted.match.value, queries[wanted.name])
