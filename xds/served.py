"""What each connected proxy is served: its share of the mesh, and its own secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from xds.custody import Secrets
from xds.model.proxy import Proxy
from xds.presence import group_of
from xds.server import SnapshotCache
from xds.slices import Slices
from xds.wire.resource import ResourceSet
from xds.wire.type_urls import SECRET


class Served:
    """Puts into ``cache`` what proxies are to have. ``secrets`` answers a proxy's own, and may raise CaError."""

    def __init__(self, cache: SnapshotCache, secrets: Callable[[Proxy], Secrets]) -> None:
        self._cache = cache
        self._secrets = secrets
        self._sent: dict[Proxy, tuple[ResourceSet, Secrets, ResourceSet]] = {}

    def publish(self, proxy: Proxy, resources: ResourceSet) -> None:
        """Serve a proxy these resources and its secrets. Errors: ca.errors.CaError."""
        secrets = self._secrets(proxy)
        known = self._sent.get(proxy)
        if known is None or known[0] is not resources or known[1] != secrets:
            layers = {**resources.layers, SECRET: (*resources.of(SECRET), *secrets)} if secrets else resources.layers
            known = self._sent[proxy] = (resources, secrets, ResourceSet(layers) if secrets else resources)
        if self._cache.get(group_of(proxy)) is not known[2]:
            self._cache.set(group_of(proxy), known[2])

    def publish_all(self, changed: Mapping[Proxy, ResourceSet]) -> Slices[None]:
        """The same for many, in slices."""
        for proxy, resources in changed.items():
            self.publish(proxy, resources)
            yield

    def renewed(self, proxies: Iterable[Proxy]) -> None:
        """Serve those of them that are served their secrets as they are now."""
        for proxy in proxies:
            if proxy in self._sent:
                self.publish(proxy, self._sent[proxy][0])

    def forget(self, proxy: Proxy) -> None:
        """Serve it no more."""
        self._cache.remove(group_of(proxy))
        self._sent.pop(proxy, None)
