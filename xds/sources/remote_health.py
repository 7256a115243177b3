"""How well remote clusters are being read, as a value for pages and commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xds.sources.kube_health import KindHealth


@dataclass(frozen=True, slots=True)
class RemoteHealth:
    """How well a remote cluster is being read; ``status`` is synced, syncing, timeout or failed."""

    secret: str
    status: str
    why: str = ""
    kinds: Mapping[str, KindHealth] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemotesHealth:
    """All remote clusters by their id."""

    clusters: Mapping[str, RemoteHealth]
