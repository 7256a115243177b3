"""The request as it leaves the caller's proxy: with the path, the host and the headers that its route gives it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import re2

from xds.explain.matching import normalized
from xds.explain.request import HttpRequest
from xds.model.mesh import Paths
from xds.model.policy import Policies
from xds.model.route import Comparison, RequestMatch
from xds.translators.headers.policy import Edits, HeaderOperations
from xds.translators.rewrites.policy import HostRewrite, PathRewrite


def rewritten(http: HttpRequest, matched: RequestMatch, policies: Policies, paths: Paths) -> HttpRequest:
    """The request that a route of these policies forwards. Values with Envoy's ``%COMMANDS%`` stay as they are written.

    Source: route.v3.RouteAction of Envoy: a prefix is put in the place of what was matched, the query stays.
    """
    path, mark, query = http.path.partition("?")
    path = normalized(path, paths)
    rewrite, host, edits = policies.get(PathRewrite), policies.get(HostRewrite), policies.get(HeaderOperations)
    if rewrite is not None:
        path = _rewritten(path, matched, rewrite)
    return replace(
        http,
        path=path + mark + query,
        authority=host.authority if host is not None else http.authority,
        headers=tuple(_edited(http.headers, edits.request)) if edits is not None else http.headers,
    )


def _rewritten(path: str, matched: RequestMatch, to: PathRewrite) -> str:
    if to.regex:
        return str(re2.sub(to.regex, to.substitution, path))
    wanted = matched.path
    if wanted is not None and wanted.comparison in (Comparison.EXACT, Comparison.REGEX):
        return to.prefix
    replaced = len(wanted.value) if wanted is not None and wanted.value else 1
    return to.prefix + path[replaced:]


def _edited(headers: tuple[tuple[str, str], ...], edits: Edits) -> Iterator[tuple[str, str]]:
    gone = {*edits.remove, *(name for name, _ in edits.replace)}
    yield from ((name, value) for name, value in headers if name.lower() not in gone)
    yield from edits.replace
    yield from edits.add
