"""What each connected proxy is served: its share of the mesh, and its own secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from xds.identity.custody import Secrets
from xds.model.proxy import Proxy
from xds.proxies.presence import group_of, owner_of
from xds.server import Rejection, SnapshotCache
from xds.slices import Slices
from xds.wire.resource import EMPTY, Layers, ResourceSet, Table, find, steps
from xds.wire.type_urls import ENDPOINT, SECRET


class Follower(Protocol):
    """Who wants to know what proxies are served. Called in the event loop: be quick."""

    def told(self, group: str, before: ResourceSet, after: ResourceSet, *, connected: bool) -> None:
        """The proxy of a group that was served ``before`` is served ``after``, secrets aside."""

    def left(self, group: str) -> None:
        """The proxy of a group is served no more."""


class Served:
    """Puts into ``cache`` what proxies are to have. ``secrets`` answers a proxy's own, and may raise CaError."""

    def __init__(self, cache: SnapshotCache, secrets: Callable[[Proxy], Secrets]) -> None:
        self._cache = cache
        self._secrets = secrets
        self._sent: dict[Proxy, tuple[ResourceSet, Secrets, ResourceSet]] = {}
        self._owners: dict[str, str] = {}
        self.followers: list[Follower] = []
        cache.owner_of = lambda group: self._owners.get(group, "")

    def prepare(self, proxy: Proxy) -> None:
        """Have the proxy's secrets made before anything else is made for it. Errors: ca.errors.CaError."""
        self._secrets(proxy)

    def of(self, proxy: Proxy) -> ResourceSet | None:
        """What a proxy is served, but for its secrets; None when nothing yet."""
        known = self._sent.get(proxy)
        return known[0] if known is not None else None

    def publish(self, proxy: Proxy, resources: ResourceSet, since: float | None = None) -> None:
        """Serve a proxy these resources, of which was told at ``since``, and its secrets. Errors: ca.errors.CaError."""
        secrets = self._secrets(proxy)
        known = self._sent.get(proxy)
        if known is None or known[0] is not resources or known[1] != secrets:
            if known is not None and known[0] is not resources:
                self._tell(group_of(proxy), known[0], resources)
            layers = {**resources.layers, SECRET: (*resources.of(SECRET), *secrets)} if secrets else resources.layers
            known = self._sent[proxy] = (resources, secrets, ResourceSet(layers) if secrets else resources)
            self._owners[group_of(proxy)] = owner_of(proxy)
        if self._cache.get(group_of(proxy)) is not known[2]:
            self._cache.set(group_of(proxy), known[2], since=since)

    def refused_by_builds(self) -> Iterable[tuple[str, Rejection]]:
        """What proxies of one version of Envoy have refused, and no other of it is sent, with that version."""
        return self._cache.builds

    def publish_endpoints(self, changed: Mapping[Proxy, ResourceSet], since: float | None = None) -> Slices[None]:
        """Serve those of them that are served the load assignments that they are to have, and all else as before.

        Load assignments that are to go stay: clusters and routes as they were before may still name them.
        """
        kept: dict[tuple[Table, Table], Table] = {}
        mixed: dict[tuple[ResourceSet, Layers], ResourceSet] = {}
        for proxy, resources in changed.items():
            yield
            if (before := self.of(proxy)) is None:
                continue
            layers = _with_those_that_go(before.of(ENDPOINT), resources.of(ENDPOINT), kept)
            if steps(before.of(ENDPOINT), layers):
                if (before, layers) not in mixed:
                    mixed[before, layers] = ResourceSet({**before.layers, ENDPOINT: layers})
                self.publish(proxy, mixed[before, layers], since)

    def renewed(self, proxies: Iterable[Proxy]) -> None:
        """Serve those of them that are served their secrets as they are now."""
        for proxy in proxies:
            if proxy in self._sent:
                self.publish(proxy, self._sent[proxy][0])

    def forget(self, proxy: Proxy) -> None:
        """Serve it no more."""
        for each in self.followers:
            each.left(group_of(proxy))
        self._cache.remove(group_of(proxy))
        self._owners.pop(group_of(proxy), None)
        self._sent.pop(proxy, None)

    def _tell(self, group: str, before: ResourceSet, after: ResourceSet) -> None:
        connected = bool(self._cache.group(group).connections) if self.followers else False
        for each in self.followers:
            each.told(group, before, after, connected=connected)


def _with_those_that_go(before: Layers, after: Layers, kept: dict[tuple[Table, Table], Table]) -> Layers:
    """``after``, and in it what only ``before`` has. A layer that comes of two is made once, and noted in ``kept``."""
    width = max(len(before), len(after))
    pairs = zip(before + (EMPTY,) * (width - len(before)), after + (EMPTY,) * (width - len(after)), strict=True)
    found = []
    for old, new in pairs:
        if (old, new) not in kept:
            gone = [name for name in new.since(old).removed if find(after, name) is None]
            kept[old, new] = new.patched({name: old[name] for name in gone})
        found.append(kept[old, new])
    return tuple(found)
