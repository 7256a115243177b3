"""On which ports the address that is dialled counts before the host."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.view.gateway_api.meshes import Plain, graph, route, service
from xds.model.mesh import Beyond, OutboundMode
from xds.translators.frontends import FILTER
from xds.translators.rds import route_configuration
from xds.view.frontends import asked_by_address
from xds.view.graph import Graph, call
from xds.view.hosts_reached import hosts_on_port
from xds.view.route_tables import port_table, whole_table
from xds.view.scope import Scope
from xds.view.specs.routes import ROUTED, UNKNOWN

ANYBODY = Scope("", "")
WEB, DB = service("web"), service("db", address="10.96.0.8")


def inside(namespace: str = "infra", **parent: Any) -> Plain:
    wanted = {"group": "", "kind": "Service", "name": "web", "namespace": "infra", **parent}
    return route(namespace=namespace, parentRefs=[wanted])


def virtual_service(**spec: Any) -> Plain:
    stated = {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "db"}}]}], **spec}
    metadata = {"name": "web", "namespace": "infra"}
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": stated}


def asked(mesh: Graph, scope: Scope = ANYBODY, port: int = 80) -> bool:
    found: bool = mesh.get(call(asked_by_address, scope, port))
    return found


@pytest.mark.parametrize(
    ("plain", "wanted"),
    [
        ((), False),
        ((inside(),), True),
        ((inside(port=81),), False),
        ((inside(name="gone"),), False),
        ((inside("far"),), False),  # of another namespace, hence for its own callers only
        ((inside(), virtual_service()), True),
        ((inside(), virtual_service(exportTo=["."])), True),  # callers elsewhere do not see it
        ((route(),), False),
    ],
)
def test_where_a_service_has_routes(plain: tuple[Plain, ...], wanted: bool) -> None:
    assert asked(graph(WEB, DB, *plain)) is wanted


def test_routes_of_callers_count_for_them_alone() -> None:
    mesh = graph(WEB, inside("far"))
    assert asked(mesh, Scope("", "far"))
    assert not asked(mesh, Scope("", "else"))
    assert not asked(mesh, Scope("", "far"), 81)


@pytest.mark.parametrize("mode", [OutboundMode.ALLOW_ANY, OutboundMode.REGISTRY_ONLY])
def test_what_tables_say_then(mode: OutboundMode) -> None:
    mesh = graph(WEB, DB, inside())
    hosts = mesh.get(call(hosts_on_port, ANYBODY, 80))
    (table,) = mesh.get(call(whole_table, 80, hosts, Beyond(mode)))
    known = {
        host.name.partition(".")[0].removeprefix("80/"): {each.frontend for each in host.routes}
        for host in table.virtual_hosts
    }
    last = table.virtual_hosts[-1]
    assert known == {"db": {""}, "web": {ROUTED}, last.name: {UNKNOWN}}
    message = route_configuration(table)
    assert FILTER in message.typed_per_filter_config
    (through,) = message.virtual_hosts[-1].routes
    assert through.metadata.filter_metadata[FILTER]["frontend"] == UNKNOWN
    (apart,) = mesh.get(call(port_table, 80, Beyond(mode), True))
    assert (apart.by_address, apart.virtual_hosts[-1]) == (True, last)


def test_other_tables_are_as_they_were() -> None:
    mesh = graph(WEB, DB)
    (table,) = mesh.get(call(whole_table, 80, mesh.get(call(hosts_on_port, ANYBODY, 80)), Beyond()))
    message = route_configuration(table)
    assert not message.typed_per_filter_config
    assert not any(each.HasField("metadata") for host in message.virtual_hosts for each in host.routes)
