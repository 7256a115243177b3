"""Delegation: HTTP routes that another VirtualService spells out, merged into those of the root."""

from __future__ import annotations

from collections.abc import Iterator

from xds.model.refs import ObjectRef
from xds.model.route import (
    Comparison,
    HttpRoute,
    Match,
    NamedMatch,
    RequestMatch,
    SourceMatch,
    StringMatch,
    VirtualService,
)
from xds.model.snapshot import Table
from xds.view.graph import Read
from xds.view.scope import mesh, visible


def http_routes(read: Read, root: VirtualService) -> Iterator[tuple[ObjectRef, HttpRoute]]:
    """The HTTP routes of ``root`` with delegates in place, each with the object that wrote it.

    Source: istio-semantics 1.1, Delegation: one level; a missing delegate loses only its own route; the delegate's
    policies win, the root's fill the gaps; matches are ANDed, and those that exclude each other dropped.
    """
    for route in root.http:
        if route.delegate is None:
            yield root.ref, route
            continue
        namespace, name = route.delegate
        ref = ObjectRef(root.ref.group, root.ref.kind, namespace or root.ref.namespace, name)
        delegate: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, ref)
        if delegate is None or delegate.hosts or not lent(read, delegate, root):
            continue
        for inner in delegate.http:
            if inner.delegate is None and (merged := _merged(route, inner)) is not None:
                yield ref, merged


def lent(read: Read, delegate: VirtualService, root: VirtualService) -> bool:
    """Whether ``delegate`` is exported to the namespace of ``root``."""
    export_to = delegate.export_to or read.get(mesh).default_virtual_service_export_to
    return visible(export_to, delegate.ref.namespace, root.ref.namespace)


def _merged(outer: HttpRoute, inner: HttpRoute) -> HttpRoute | None:
    pairs = [_both(o, i) for o in outer.matches or (Match(),) for i in inner.matches or (Match(),)]
    matches = tuple(match for match in pairs if match is not None)
    if not matches:
        return None
    return HttpRoute(
        name="-".join(filter(None, (outer.name, inner.name))),
        matches=matches,
        destinations=inner.destinations,
        policies=inner.policies.over(outer.policies),
    )


def _both(outer: Match, inner: Match) -> Match | None:
    path = _narrower(outer.request.path, inner.request.path)
    if path is None and (outer.request.path or inner.request.path):
        return None
    source = _both_sources(outer.source, inner.source)
    if source is None or (outer.request.ignore_case != inner.request.ignore_case and outer.request.path is not None):
        return None
    request = RequestMatch(
        path=path,
        ignore_case=outer.request.ignore_case or inner.request.ignore_case,
        headers=_united(outer.request.headers, inner.request.headers),
        queries=_united(outer.request.queries, inner.request.queries),
    )
    name = "-".join(filter(None, (outer.name, inner.name)))
    return Match(request, source, name, inner.stat_prefix or outer.stat_prefix)


def _narrower(outer: StringMatch | None, inner: StringMatch | None) -> StringMatch | None:
    if outer is None or inner is None:
        return inner or outer
    if outer == inner:
        return inner
    covers = outer.comparison is Comparison.PREFIX and inner.comparison is not Comparison.REGEX
    return inner if covers and inner.value.startswith(outer.value) else None


def _united(outer: tuple[NamedMatch, ...], inner: tuple[NamedMatch, ...]) -> tuple[NamedMatch, ...]:
    return tuple(dict.fromkeys((*outer, *inner)))


def _both_sources(outer: SourceMatch, inner: SourceMatch) -> SourceMatch | None:
    if outer.port and inner.port and outer.port != inner.port:
        return None
    if outer.namespace and inner.namespace and outer.namespace != inner.namespace:
        return None
    return SourceMatch(
        port=inner.port or outer.port,
        namespace=inner.namespace or outer.namespace,
        labels=outer.labels | inner.labels,
        gateways=inner.gateways or outer.gateways,
    )
