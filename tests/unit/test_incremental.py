"""The oracle of the pipeline: whatever happened, what is served equals what is made from scratch, byte for byte."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from tests.histories import PROXIES, Event, World, histories
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.wire.resource import ResourceSet


def served(resources: ResourceSet) -> dict[str, dict[str, str]]:
    """Name and version of everything in a set, by type; a name in two layers would be lost, so it is an error."""
    found: dict[str, dict[str, str]] = {}
    for url, layers in resources.layers.items():
        for table in layers:
            for name, resource in table.items():
                assert name not in found.setdefault(url, {}), f"{name} twice"
                found[url][name] = resource.version
    return {url: named for url, named in found.items() if named}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories)
def test_incremental_equals_from_scratch(history: list[Event]) -> None:
    world = World()
    incremental = Pipeline(world.builder.snapshot)
    current = {proxy: at_once(incremental.connect(proxy)) for proxy in PROXIES}
    for event in history:
        current |= at_once(incremental.advance(world.happen(event)))
    # What errors keep alive is a matter of history; the snapshot is what both start from.
    scratch = Pipeline(world.builder.snapshot)
    for proxy in PROXIES:
        assert served(current[proxy]) == served(at_once(scratch.connect(proxy)))
    for proxy in PROXIES:
        incremental.disconnect(proxy)
    assert len(incremental.graph) == 0, "nothing is kept that nobody uses"
