"""What a router is sent, as three calls like those of a sidecar: its ports and what they lead to, and its policies."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.labels import Labels
from xds.model.placement import BY_NODE
from xds.model.proxy import Proxy
from xds.model.service import ServiceKey
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view import names
from xds.view.callers import workload_of
from xds.view.clusters import mesh_clusters
from xds.view.filters import filters
from xds.view.gateway.connections import branches, connection_services, way
from xds.view.gateway.credentials import secret_leaves
from xds.view.gateway.edge_ports import EdgePort, edge_ports
from xds.view.gateway.listeners import edge_connections, edge_listeners, edge_tables, has_dnat
from xds.view.gateway.reached import Caller, given_by_node, node_leaves, reached_leaves
from xds.view.gateway.routers import Router, router
from xds.view.gateway.sni_dnat import dnat_leaves, dnat_services
from xds.view.gateway.tables import table_leaves, table_services
from xds.view.graph import Call, Read, call
from xds.view.scope import Scope, place
from xds.view.specs.clusters import ClusterSpec


class RouterView(NamedTuple):
    """The roots of a router's configuration, as ``ProxyView`` has them."""

    outbound: Call
    near: Call
    inbound: Call


def router_view(read: Read, proxy: Proxy) -> RouterView:
    """The view of a proxy that is a gateway."""
    seen = router(read, proxy)
    return RouterView(
        call(router_groups, seen),
        call(no_groups),
        call(own_groups, proxy.namespace, proxy.labels, read.get(router_on, proxy, seen)),
    )


class RouterOn(NamedTuple):
    """A router on one node, and the services that give it endpoints of its own."""

    scope: Scope
    services: tuple[ServiceKey, ...]
    caller: Caller


def router_on(read: Read, proxy: Proxy, router: Router) -> RouterOn | None:
    """The node of a router, if it matters."""
    if BY_NODE not in read.keys(Table.PLACED):
        return None
    by_node = (key for key in read.get(reached, router) if read.get(given_by_node, key, router.scope))
    if not (services := tuple(by_node)):
        return None
    pod: Workload | None = read.first(Table.WORKLOAD, (proxy.namespace, proxy.name))
    caller = Caller(read.get(place, proxy).node, workload_of(pod) if pod is not None else None)
    return RouterOn(router.scope, services, caller)


def no_groups(read: Read) -> tuple[Call, ...]:
    """Nothing: a router has no bare names."""
    return ()


def router_groups(read: Read, router: Router) -> tuple[Call, ...]:
    """One group a port, one a service that they lead to, one a service that is passed on by SNI."""
    ports = read.get(edge_ports, router)
    passed = {key for port in ports if has_dnat(port) for key in read.get(dnat_services, router, port)}
    return (
        call(router_skeleton),
        *(call(port_leaves, router, port) for port in ports),
        *(call(reached_leaves, key, router.scope, router.shown) for key in read.get(reached, router)),
        *(call(dnat_leaves, key, router.scope) for key in sorted(passed)),
    )


def reached(read: Read, router: Router) -> tuple[ServiceKey, ...]:
    """The services that a router calls, sorted."""
    ports = read.get(edge_ports, router)
    return tuple(sorted({*router.asked, *(key for port in ports for key in read.get(port_services, router, port))}))


def router_skeleton(read: Read) -> tuple[Call, ...]:
    """What every router has."""
    return (call(nowhere),)


def nowhere(read: Read) -> tuple[ClusterSpec, ...]:
    """The cluster that leads nowhere."""
    return tuple(spec for spec in read.get(mesh_clusters) if spec.name == names.BLACK_HOLE)


def port_services(read: Read, router: Router, port: EdgePort) -> tuple[ServiceKey, ...]:
    """The services that a port leads to, sorted."""
    found = set(read.get(connection_services, edge_connections(router, port)))
    for table in edge_tables(read, router, port):
        found.update(read.get(table_services, table))
    return tuple(sorted(found))


def port_leaves(read: Read, router: Router, port: EdgePort) -> tuple[Call, ...]:
    """The leaves of a port: its listeners, its routes, where its connections go, its certificates."""
    passed = edge_connections(router, port)
    leaves = [call(edge_listeners, router, port)]
    leaves += [call(way, passed, branch) for branch in read.get(branches, passed)]
    for table in edge_tables(read, router, port):
        leaves += table_leaves(read, table)
    return (*leaves, *secret_leaves(router, port))


def own_groups(read: Read, namespace: str, labels: Labels, on: RouterOn | None) -> tuple[Call, ...]:
    """What stands in the slots of a router's chains, and the endpoints that are for it alone."""
    policies = call(filter_leaves, namespace, labels)
    return (policies,) if on is None else (policies, call(node_leaves, on.services, on.scope, on.caller))


def filter_leaves(read: Read, namespace: str, labels: Labels) -> tuple[Call, ...]:
    """The leaf of a router's policies."""
    return (call(filters, namespace, labels),)
