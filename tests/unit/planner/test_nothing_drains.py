"""No edit of routes, policies or endpoints drains a listener: only ports, protocols and mutual TLS do."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.histories import PROXIES, World, destination_rules, slices, virtual_services
from tests.security_histories import authorization_policies, request_authentications
from xds.pipeline import Pipeline
from xds.planner.plan import Effects, drains
from xds.slices import at_once


def service(name: str, namespace: str, address: str, *ports: tuple[str, int]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "clusterIP": address,
            "selector": {"app": name},
            "ports": [{"name": name, "port": number} for name, number in ports],
        },
    }


MESH = [
    service("web", "a", "10.96.0.1", ("http", 80), ("http-two", 81), ("guess", 60)),
    service("db", "a", "10.96.0.2", ("tcp", 70), ("http", 80)),
    service("web", "b", "10.96.0.3", ("http", 80), ("grpc", 90)),
]


def for_requests(plain: dict[str, Any]) -> dict[str, Any]:
    """A VirtualService without routes of connections: what those tell apart (names, subnets) stands in listeners."""
    spec = {key: value for key, value in plain["spec"].items() if key not in ("tls", "tcp")}
    return {**plain, "spec": spec}


edits = st.lists(
    st.one_of(
        virtual_services().map(for_requests),
        destination_rules(),
        slices(),
        authorization_policies(),
        request_authentications(),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(edits, min_size=1, max_size=8))
def test_no_edit_drains(history: list[list[dict[str, Any]]]) -> None:
    world, known = World(), Effects()
    world.happen(MESH)
    pipeline = Pipeline(world.builder.snapshot)
    current = {proxy: at_once(pipeline.connect(proxy)) for proxy in PROXIES}
    for event in history:
        changed = at_once(pipeline.advance(world.happen(event)))
        for proxy, after in changed.items():
            cut = [each.said() for each in drains(current[proxy], after, known)]
            assert not cut, f"{event} at {proxy.id}"
        current |= changed
