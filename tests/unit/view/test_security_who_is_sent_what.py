"""Whatever the mesh, nobody is sent what is others': Secrets of other namespaces, policies for other workloads."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import HealthCheck, given, settings

from tests.histories import PROXIES, Event, World, secured
from tests.security_histories import ROOT
from xds.model.identity import Identity
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.security import Attachment
from xds.model.snapshot import Snapshot, Table
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.wire.resource import Resource, ResourceSet
from xds.wire.type_urls import EXTENSION, SECRET

ATTACHED = ("AuthorizationPolicy", "RequestAuthentication")


def resources(served: ResourceSet, type_url: str) -> Iterator[Resource]:
    for table in served.of(type_url):
        yield from (table[name] for name in table)


def behind(served: ResourceSet, type_url: str) -> set[ObjectRef]:
    """The objects from which resources of a type were made."""
    return {ref for resource in resources(served, type_url) for ref in resource.provenance}


def selecting(snapshot: Snapshot, proxy: Proxy) -> set[ObjectRef]:
    """The policies that are for a proxy, by what manifests say."""
    owners: list[Attachment] = [
        each for namespace in {ROOT, proxy.namespace} for each in snapshot.rows(Table.ATTACHMENT, namespace)
    ]
    return {each.of for each in owners if each.selector <= proxy.labels and not each.targets}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(secured)
def test_nobody_is_sent_what_is_others(history: list[Event]) -> None:
    world = World()
    for event in history:
        world.happen(event)
    snapshot = world.builder.snapshot
    pipeline = Pipeline(snapshot)
    for proxy in PROXIES:
        served = at_once(pipeline.connect(proxy))
        secrets = {ref for ref in behind(served, SECRET) if ref.kind == "Secret"}
        assert {ref.namespace for ref in secrets} <= {proxy.namespace}
        assert proxy.identity is Identity.ADS or not list(resources(served, SECRET))
        deciding = {ref for ref in behind(served, EXTENSION) if ref.kind in ATTACHED}
        assert deciding == selecting(snapshot, proxy)
