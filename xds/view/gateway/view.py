"""What a router is sent, as three calls like those of a sidecar: its ports and what they lead to, and its policies."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.labels import Labels
from xds.model.proxy import Proxy
from xds.model.service import ServiceKey
from xds.view import names
from xds.view.clusters import mesh_clusters
from xds.view.filters import filters
from xds.view.gateway.connections import branches, connection_services, way
from xds.view.gateway.credentials import secret_leaves
from xds.view.gateway.edge_ports import EdgePort, edge_ports
from xds.view.gateway.listeners import edge_connections, edge_listeners, edge_tables, has_dnat
from xds.view.gateway.reached import reached_leaves
from xds.view.gateway.routers import Router, router
from xds.view.gateway.sni_dnat import dnat_leaves, dnat_services
from xds.view.gateway.tables import table_leaves, table_services
from xds.view.graph import Call, Read, call
from xds.view.specs.clusters import ClusterSpec


class RouterView(NamedTuple):
    """The roots of a router's configuration, as ``ProxyView`` has them."""

    outbound: Call
    near: Call
    inbound: Call


def router_view(read: Read, proxy: Proxy) -> RouterView:
    """The view of a proxy that is a gateway."""
    own = router(read, proxy)
    return RouterView(
        call(router_groups, own),
        call(no_groups),
        call(policy_groups, proxy.namespace, proxy.labels),
    )


def no_groups(read: Read) -> tuple[Call, ...]:
    """Nothing: a router has no bare names."""
    return ()


def router_groups(read: Read, router: Router) -> tuple[Call, ...]:
    """One group a port, one a service that they lead to, one a service that is passed on by SNI."""
    ports = read.get(edge_ports, router)
    reached = {*router.asked, *(key for port in ports for key in read.get(port_services, router, port))}
    passed = {key for port in ports if has_dnat(port) for key in read.get(dnat_services, router, port)}
    return (
        call(router_skeleton),
        *(call(port_leaves, router, port) for port in ports),
        *(call(reached_leaves, key, router.scope) for key in sorted(reached)),
        *(call(dnat_leaves, key, router.scope) for key in sorted(passed)),
    )


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


def policy_groups(read: Read, namespace: str, labels: Labels) -> tuple[Call, ...]:
    """What stands in the slots of a router's chains."""
    return (call(filter_leaves, namespace, labels),)


def filter_leaves(read: Read, namespace: str, labels: Labels) -> tuple[Call, ...]:
    """The leaf of a router's policies."""
    return (call(filters, namespace, labels),)
