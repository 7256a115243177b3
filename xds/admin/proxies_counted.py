"""Who is connected and how far, in numbers for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from xds.admin.exposition import Metric, Sample
from xds.admin.status import ProxySync, Sync

_REJECTS: Final = ("cds", "eds", "lds", "rds")
_MOST_NODES: Final = 100


def counted(proxies: Sequence[ProxySync]) -> Iterable[Metric]:
    """The numbers that follow from who is connected; names are istiod's where it has them."""
    versions = Counter(proxy.envoy or "unknown" for proxy in proxies)
    states = Counter((kind, sync.state.value) for proxy in proxies for kind, sync in proxy.types.items())
    yield Metric(
        "pilot_xds",
        "gauge",
        "Proxies connected over xDS, by Envoy's version.",
        tuple(Sample(count, (("version", version),)) for version, count in sorted(versions.items())) or (Sample(0),),
    )
    yield Metric(
        "plait_proxy_types",
        "gauge",
        "Types of resources of connected proxies, by how far the proxy is with them.",
        tuple(
            Sample(states[kind, state.value], (("type", kind), ("state", state.value)))
            for kind in sorted({kind for kind, _ in states})
            for state in Sync  # none, too: what was counted before is not as it was then
        ),
    )
    for kind in _REJECTS:
        refusing = [proxy.id for proxy in proxies if kind in proxy.types and proxy.types[kind].rejected]
        samples = [Sample(1, (("node", node),)) for node in refusing[:_MOST_NODES]]
        if more := len(refusing) - len(samples):
            samples.append(Sample(more, (("node", "others"),)))
        about = f"Proxies that refuse something of {kind.upper()}, which they still are to have."
        yield Metric(f"pilot_xds_{kind}_reject", "gauge", about, tuple(samples))
