"""Where a pod of the local mesh runs, and what it is given there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xds.local.commands import User
from xds.local.output import Sink
from xds.local.pod_host import PodHost
from xds.local.pod_tokens import PodTokens
from xds.local.pods import PodStatus
from xds.local.settings import LocalSettings
from xds.local.sidecar import BootstrapFor


@dataclass(frozen=True, slots=True)
class PodPlace:
    """What a pod is given: its node, number, addresses, resolver, whom it reports to, and who issues its tokens."""

    host: PodHost
    number: int
    addresses: tuple[str, ...]
    resolver: str
    user: User
    settings: LocalSettings
    sink: Sink
    bootstrap_for: BootstrapFor
    changed: Callable[[PodStatus], None]
    tokens: PodTokens | None = None
