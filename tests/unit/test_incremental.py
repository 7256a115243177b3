"""The oracle of the pipeline: whatever happened, what is served equals what is made from scratch, byte for byte."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from structlog.testing import capture_logs

from tests.histories import API_ROUTERS, PROXIES, Event, World, gated, histories, secured, spread
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.snapshot import Snapshot
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.wire.resource import ResourceSet

Served = dict[str, dict[str, tuple[str, tuple[ObjectRef, ...]]]]


def served(resources: ResourceSet) -> Served:
    """Name, version and authors of everything in a set, by type; a name in two layers would be lost: an error."""
    found: Served = {}
    for url, layers in resources.layers.items():
        for table in layers:
            for name, resource in table.items():
                assert name not in found.setdefault(url, {}), f"{name} twice"
                found[url][name] = (resource.version, resource.provenance)
    return {url: named for url, named in found.items() if named}


def from_scratch(snapshot: Snapshot, proxies: tuple[Proxy, ...]) -> dict[Proxy, Served]:
    """What each proxy is served when nothing came before."""
    pipeline = Pipeline(snapshot)
    return {proxy: served(at_once(pipeline.connect(proxy))) for proxy in proxies}


def live_through(history: list[Event], proxies: tuple[Proxy, ...] = PROXIES) -> None:
    """Compare what is served after a history with what is made from scratch."""
    world = World()
    incremental = Pipeline(world.builder.snapshot)
    current = {proxy: at_once(incremental.connect(proxy)) for proxy in proxies}
    with capture_logs() as logs:
        for event in history:
            current |= at_once(incremental.advance(world.happen(event)))
        # What errors keep alive is a matter of history; the snapshot is what both start from.
        scratch = from_scratch(world.builder.snapshot, proxies)
    assert {proxy: served(current[proxy]) for proxy in proxies} == scratch
    assert not logs, "no maker or translator fails"
    assert not [each for each in world.builder.problems if each.code.startswith("internal.")]
    incremental.disconnect(*proxies)
    assert len(incremental.graph) == 0, "nothing is kept that nobody uses"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories)
def test_incremental_equals_from_scratch(history: list[Event]) -> None:
    live_through(history)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(secured)
def test_so_it_does_where_most_is_about_identity(history: list[Event]) -> None:
    live_through(history)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(gated)
def test_so_it_does_where_most_is_about_the_gateway_api(history: list[Event]) -> None:
    live_through(history, (*API_ROUTERS, *PROXIES[:3]))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(spread)
def test_so_it_does_where_services_are_of_several_clusters(history: list[Event]) -> None:
    live_through(history)
