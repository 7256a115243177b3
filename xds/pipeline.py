"""The picture of architecture.md: snapshot -> views -> specs -> bytes -> the resource sets that streams are served.

Everything here is incremental and in memory; a change costs what it touches. The caller does the I/O around it, and
runs one method at a time.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping

from xds.decoders.build import Change
from xds.generations.layer import Layer, Overlay
from xds.generations.leaves import Leaves, ToProve, nothing_to_prove
from xds.judging.last_good import LastGood
from xds.judging.quarantine import Quarantine, Refusal
from xds.model.proxy import Proxy
from xds.model.snapshot import Input, Snapshot
from xds.slices import Slices
from xds.view.graph import Call, Graph, call
from xds.view.proxy_view import ProxyView, proxy_view
from xds.wire.resource import Resource, ResourceSet, Table


class Pipeline:
    """All connected proxies' configuration, made from one snapshot after another."""

    def __init__(self, snapshot: Snapshot, to_prove: ToProve = nothing_to_prove, kept: LastGood | None = None) -> None:
        self.graph = Graph(snapshot)
        self._proxies: dict[Proxy, ProxyView] = {}
        self._layers: dict[Call, Layer] = {}
        self._overlays: dict[tuple[Call, Call], Overlay] = {}
        self._sets: dict[ProxyView, ResourceSet] = {}
        self.waved = 0.0  # when it was known what the last change may concern, by the monotonic clock
        self.quarantine = Quarantine()
        self._made = Leaves(self.graph, self.quarantine, to_prove)
        if kept is not None:
            self.quarantine.kept = self._made.judging(kept.instead_of)

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
        self.waved = time.monotonic()
        self._made.doubt(suspects)
        return (yield from self._brought(suspects))

    def settle(self, good: Iterable[Resource], refused: Iterable[Refusal]) -> Slices[dict[Proxy, ResourceSet]]:
        """Keep to the verdicts on ``quarantine.candidates``; answers the proxies whose resources are others by that."""
        accepted, bad = tuple(good), tuple(refused)
        fine = self.quarantine.holders(accepted)
        worse = [each.resource for each in bad]
        concerned = self.quarantine.holders(worse) | self._made.making(worse)
        self.quarantine.accept(accepted)
        for each in bad:
            self.quarantine.refuse(each)
        self._made.agreed(fine)
        self._made.show_again(concerned)
        self._made.doubt(concerned)
        return (yield from self._brought(concerned))

    def set_of(self, proxy: Proxy) -> Slices[ResourceSet | None]:
        """The resources of a proxy as they are now; None for one that is not connected."""
        view = self._proxies.get(proxy)
        return None if view is None else (yield from self._set_of(view))

    def patched_alone(self, resource: Resource) -> tuple[Resource, ...]:
        """What a resource would be with each of its patches alone, in their order; nothing where it has none."""
        return self._made.patched_alone(resource)

    def refusal(
        self,
        resource: Resource,
        reason: str,
        bad_hosts: frozenset[str] = frozenset(),
        bad_patches: Collection[int] = (),
    ) -> Refusal:
        """The refusal of a resource of which these virtual hosts, or the patches of these numbers, are bad."""
        return self._made.refusal(resource, reason, bad_hosts, bad_patches)

    def reached(self, inputs: Iterable[Input]) -> list[Proxy]:
        """The connected proxies whose resources may be others where these inputs read differently."""
        calls = self.graph.reached(inputs)
        roots = self._made.roots(calls)
        return [
            proxy
            for proxy, view in self._proxies.items()
            if not roots.isdisjoint(view) or call(proxy_view, proxy) in calls
        ]

    @property
    def roots(self) -> tuple[Call, ...]:
        """The roots of all layers."""
        return tuple(self._layers)

    @property
    def views(self) -> Mapping[Proxy, ProxyView]:
        """What the connected proxies see, as roots of layers."""
        return self._proxies

    def answers(self, wanted: Call) -> tuple[Call, ...]:
        """What a root or a group has answered last."""
        return self._made.answers(wanted)

    def is_leaf(self, wanted: Call) -> bool:
        """Whether a call is a leaf of a layer."""
        return self._made.made(wanted) is not None

    def made(self, leaf: Call) -> tuple[Resource, ...]:
        """What the specs of a leaf came to last, good or not."""
        return self._made.made(leaf) or ()

    def makes(self, resource: Resource) -> bool:
        """Whether anybody is to have exactly that resource."""
        return bool(self._made.making((resource,)))

    def _brought(self, suspects: set[Call]) -> Slices[dict[Proxy, ResourceSet]]:
        """Bring all layers up to date after the values of ``suspects`` may have changed."""
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
