"""Delegation: HTTP routes that another VirtualService spells out, merged into those of the root."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from xds.model.policy import Routed
from xds.model.refs import ObjectRef
from xds.model.route import (
    Comparison,
    Destination,
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

MOST_ROUTES: Final = 32_768
"""How many routes an object may come to, of all its hosts together, with those of its delegates in place."""


class Part(NamedTuple):
    """An HTTP route of a root, and the delegate that spells it out where it has one that is to be had.

    ``size`` is how many routes it comes to on each host; ``fits`` is false where those would be too many.
    """

    route: HttpRoute
    delegate: VirtualService | None
    size: int
    fits: bool = True


def parts(read: Read, root: VirtualService) -> Iterator[Part]:
    """The HTTP routes of ``root`` in order. Its own always fit; of its delegates the first, as far as there is room."""
    own = sum(len(route.matches) or 1 for route in root.http if route.delegate is None)
    room = MOST_ROUTES // max(len(root.hosts), 1) - own
    for route in root.http:
        if route.delegate is None:
            yield Part(route, None, len(route.matches) or 1)
            continue
        delegate = _delegate(read, root, route.delegate)
        inner = (len(each.matches) or 1 for each in delegate.http if each.delegate is None) if delegate else ()
        size = (len(route.matches) or 1) * sum(inner)
        fits = size <= room
        room -= size if fits else 0
        yield Part(route, delegate, size, fits)


def _delegate(read: Read, root: VirtualService, named: tuple[str, str]) -> VirtualService | None:
    namespace, name = named
    ref = ObjectRef(root.ref.group, root.ref.kind, namespace or root.ref.namespace, name)
    delegate: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, ref)
    return None if delegate is None or delegate.hosts or not lent(read, delegate, root) else delegate


def http_routes(read: Read, root: VirtualService) -> Iterator[tuple[ObjectRef, HttpRoute]]:
    """The HTTP routes of ``root`` with delegates in place, each with the object that wrote it.

    Source: istio-semantics 1.1, Delegation: one level; a missing delegate loses only its own route; the delegate's
    policies win, the root's fill the gaps; matches are ANDed, and those that exclude each other dropped. A delegate
    whose routes would be too many is as one that is missing.
    """
    for part in parts(read, root):
        if part.route.delegate is None:
            yield root.ref, part.route
        elif part.delegate is not None and part.fits:
            inner = (_merged(part.route, each) for each in part.delegate.http if each.delegate is None)
            yield from ((part.delegate.ref, merged) for merged in inner if merged is not None)


def hosts_routed(read: Read, root: VirtualService) -> set[str]:
    """The hosts that the HTTP routes of ``root`` lead to, delegates' and those that policies name (mirrors), too."""
    hosts: set[str] = set()

    def note(destination: Destination) -> str:
        hosts.add(destination.host)
        return ""

    for _, route in http_routes(read, root):
        hosts.update(share.destination.host for share in route.destinations)
        for policy in route.policies.that(Routed):
            policy.resolved(note)
    return hosts


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
    return Match(request, source, name, inner.stat_prefix or outer.stat_prefix, inner.stated)


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
