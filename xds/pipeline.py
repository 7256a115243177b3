"""The picture of architecture.md: snapshot -> views -> specs -> bytes -> the resource sets that streams are served.

Everything here is incremental and in memory; a change costs what it touches. The caller does the I/O around it, and
runs one method at a time.
"""

from __future__ import annotations

import weakref
from typing import Any

import structlog

from xds.decoders.build import Change
from xds.events import Event
from xds.layer import Layer, Overlay, Resources
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.snapshot import Snapshot
from xds.slices import Slices
from xds.translators.translate import translate
from xds.view.graph import Call, Graph, call
from xds.view.proxy_view import ProxyView, proxy_view
from xds.view.specs import Spec
from xds.wire.resource import Resource, ResourceSet, Table

log = structlog.get_logger()

MemoKey = tuple[Spec, frozenset[ObjectRef]]


class Pipeline:
    """All connected proxies' configuration, made from one snapshot after another."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.graph = Graph(snapshot)
        self._proxies: dict[Proxy, ProxyView] = {}
        self._layers: dict[Call, Layer] = {}
        self._overlays: dict[tuple[Call, Call], Overlay] = {}
        self._sets: dict[ProxyView, ResourceSet] = {}
        self._made = _Made(self.graph)

    def connect(self, proxy: Proxy) -> Slices[ResourceSet]:
        """The resources of a proxy, which is kept up to date from now on."""
        view: ProxyView = self.graph.get(call(proxy_view, proxy))
        self._proxies[proxy] = view
        return (yield from self._set_of(view))

    def disconnect(self, *proxies: Proxy) -> None:
        """Forget proxies, and what only they used."""
        gone = [proxy for proxy in proxies if self._proxies.pop(proxy, None) is not None]
        for proxy in gone:
            self.graph.release(call(proxy_view, proxy))
        if gone:
            self._sweep()

    def advance(self, change: Change) -> Slices[dict[Proxy, ResourceSet]]:
        """Go on to the change's snapshot; answers the connected proxies whose resources are now others."""
        suspects = self.graph.advance(change.snapshot, change.inputs)
        self._made.doubt(suspects)
        different: set[Call] = set()
        for root, layer in list(self._layers.items()):
            own = self._made.suspects(root)
            if own and (yield from layer.refresh(own)):
                different.add(root)
            yield
        stale = {view for view in self._sets if not different.isdisjoint(view)}
        for view in stale:
            del self._sets[view]
        yield
        moved = {proxy for proxy in self._proxies if call(proxy_view, proxy) in suspects and self._moved(proxy)}
        changed: dict[Proxy, ResourceSet] = {}
        for proxy, view in self._proxies.items():
            if view in stale or proxy in moved:
                changed[proxy] = yield from self._set_of(view)
            yield
        if moved:
            self._sweep()
        return changed

    def _moved(self, proxy: Proxy) -> bool:
        before, after = self._proxies[proxy], self.graph.get(call(proxy_view, proxy))
        self._proxies[proxy] = after
        return bool(after != before)

    def _set_of(self, view: ProxyView) -> Slices[ResourceSet]:
        known = self._sets.get(view)
        if known is None:
            outbound = yield from self._overlay(view)
            inbound = (yield from self._layer(view.inbound)).tables
            layers = {url: (table,) for url, table in outbound.items()}
            for url, table in inbound.items():
                layers[url] = (*layers.get(url, ()), table)
            known = self._sets[view] = ResourceSet(layers)
        return known

    def _overlay(self, view: ProxyView) -> Slices[dict[str, Table]]:
        pair = (view.outbound, view.near)
        overlay = self._overlays.get(pair)
        if overlay is None:
            base, over = (yield from self._layer(view.outbound)), (yield from self._layer(view.near))
            overlay = self._overlays[pair] = Overlay(base, over)
        return overlay.tables()

    def _layer(self, root: Call) -> Slices[Layer]:
        layer = self._layers.get(root)
        if layer is None:
            layer = self._layers[root] = Layer(root, self._made)
            yield from layer.build()
        return layer

    def _sweep(self) -> None:
        used = {root for view in self._proxies.values() for root in view}
        for root in [root for root in self._layers if root not in used]:
            self._layers.pop(root).dismantle()
        self._sets = {view: known for view, known in self._sets.items() if used.issuperset(view)}
        self._overlays = {pair: known for pair, known in self._overlays.items() if used.issuperset(pair)}


class _Made:
    """What layers are made of: the graph's calls, and the resources of its leaves while any layer follows them."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._followers: dict[Call, set[Call]] = {}
        self._suspects: dict[Call, set[Call]] = {}
        self._answers: dict[Call, tuple[Call, ...]] = {}
        self._leaves: dict[Call, tuple[Any, frozenset[ObjectRef], Resources]] = {}
        self._memo: weakref.WeakValueDictionary[MemoKey, Resource] = weakref.WeakValueDictionary()

    def doubt(self, suspects: set[Call]) -> None:
        """Sort the suspects of a change by the layers that follow them."""
        self._suspects = {}
        for wanted in suspects:
            for root in self._followers.get(wanted, ()):
                self._suspects.setdefault(root, set()).add(wanted)

    def suspects(self, root: Call) -> set[Call]:
        """Those of the suspects that the layer of ``root`` follows."""
        return self._suspects.get(root, set())

    def calls(self, wanted: Call) -> tuple[Call, ...]:
        """The calls that a root or a group answers; those of before where that fails."""
        try:
            self._answers[wanted] = self._graph.get(wanted)
        except Exception:
            self._failed(wanted)
        return self._answers.get(wanted, ())

    def resources(self, leaf: Call) -> Resources:
        """The resources of a leaf; the same tuple as before where nothing is different, or where making them fails."""
        known = self._leaves.get(leaf)
        try:
            specs, provenance = self._graph.get(leaf), self._graph.provenance(leaf)
            if known is None or known[0] is not specs:
                known = (specs, provenance, tuple(self._translated(spec, provenance) for spec in specs))
            elif known[1] != provenance:
                same = zip(specs, known[2], strict=True)
                known = (specs, provenance, tuple(self._claimed(*each, provenance) for each in same))
            self._leaves[leaf] = known
        except Exception:
            self._failed(leaf)
        return known[2] if known is not None else ()

    @staticmethod
    def _failed(wanted: Call) -> None:
        # A bug of ours in one maker or translator must not stop the others: what it made last stays in force.
        log.exception(Event.TRANSLATION_FAILED, maker=wanted.maker.__name__, arguments=repr(wanted.args))

    def follow(self, wanted: Call, root: Call) -> None:
        """Keep ``wanted`` alive for the layer of ``root``."""
        self._followers.setdefault(wanted, set()).add(root)

    def unfollow(self, wanted: Call, root: Call) -> None:
        """Take that back."""
        roots = self._followers.get(wanted)
        if roots is None:
            return
        roots.discard(root)
        if not roots:
            del self._followers[wanted]
            self._answers.pop(wanted, None)
            self._leaves.pop(wanted, None)
            self._graph.release(wanted)

    def _claimed(self, spec: Spec, known: Resource, provenance: frozenset[ObjectRef]) -> Resource:
        """The resource of a spec that is what it was, but from other objects."""
        resource = self._memo.get((spec, provenance))
        if resource is None:
            resource = Resource(known.type_url, known.name, known.body, provenance)
            self._memo[spec, provenance] = resource
        return resource

    def _translated(self, spec: Spec, provenance: frozenset[ObjectRef]) -> Resource:
        key = (spec, provenance)
        resource = self._memo.get(key)
        if resource is None:
            type_url, name, body = translate(spec)
            resource = self._memo[key] = Resource(type_url, name, body, provenance)
        return resource
