"""What one proxy is sent, as three calls: what anybody may reach, what its namespace sees otherwise, what it offers."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.on_demand import asked_by
from xds.model.placement import BY_NODE
from xds.model.proxy import Proxy
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view.callers import WorkloadName, workload_of
from xds.view.explicit import ExplicitProxy, explicit_listener, explicit_table
from xds.view.filters import filters
from xds.view.gateway.view import router_view
from xds.view.graph import Call, Read, call
from xds.view.inbound import Offer, inbound_cluster, inbound_ports
from xds.view.inbound_listener import bound_inbound, virtual_inbound
from xds.view.observed_roots import observed_roots
from xds.view.on_demand import demanded_groups, on_demand
from xds.view.outbound import by_node, groups, near_groups, node_leaves
from xds.view.patches import patched_roots
from xds.view.route_tables import inbound_table
from xds.view.scope import Scope, anybody, anywhere, place, scope


class ProxyView(NamedTuple):
    """The roots of a proxy's configuration. Proxies with equal views share everything that follows.

    ``near`` makes resources that take the place of those of the same name from ``outbound``.
    """

    outbound: Call
    near: Call
    inbound: Call


def proxy_view(read: Read, proxy: Proxy) -> ProxyView:
    """The view of a proxy."""
    return ProxyView(*patched_roots(read, proxy, *observed_roots(read, proxy, *_unpatched(read, proxy))))


def _unpatched(read: Read, proxy: Proxy) -> ProxyView:
    if proxy.kind == "router":
        return ProxyView(*router_view(read, proxy))
    seen = scope(read, proxy)
    by = asked_by(proxy)
    near = call(near_groups, anywhere(seen))
    if read.get(on_demand, proxy, seen, by):
        seen = seen._replace(on_demand=True)
        near = call(demanded_groups, seen, by, proxy.labels)
    return ProxyView(
        call(groups, anybody(seen)),
        near,
        call(
            own_groups,
            Offer(proxy.namespace, proxy.labels, proxy.name, proxy.identity, proxy.group, seen.families),
            _explicit(proxy, seen),
            read.get(node_of, proxy, anybody(seen)),
        ),
    )


class NodeOf(NamedTuple):
    """Callers of a scope on one node, and of one workload, where some service gives them endpoints of their own."""

    scope: Scope
    node: str
    workload: WorkloadName | None


def node_of(read: Read, proxy: Proxy, scope: Scope) -> NodeOf | None:
    """The node of a proxy, if it matters."""
    if BY_NODE not in read.keys(Table.PLACED) or not read.get(by_node, scope):
        return None
    pod: Workload | None = read.first(Table.WORKLOAD, (proxy.namespace, proxy.name))
    workload = workload_of(pod) if pod is not None else None
    return NodeOf(scope, read.get(place, proxy).node, workload)


def _explicit(proxy: Proxy, seen: Scope) -> ExplicitProxy | None:
    if not proxy.http_proxy_port or not proxy.addresses:
        return None
    return ExplicitProxy(proxy.addresses[0], proxy.http_proxy_port, seen)


def own_groups(
    read: Read, offer: Offer, explicit: ExplicitProxy | None, of_node: NodeOf | None = None
) -> tuple[Call, ...]:
    """The groups of what is a proxy's own: what its workload offers, or its explicit proxy; endpoints by its node."""
    own = call(inbound_leaves, offer) if explicit is None else call(explicit_leaves, explicit)
    return (own,) if of_node is None else (own, call(node_leaves, *of_node))


def explicit_leaves(read: Read, explicit: ExplicitProxy) -> tuple[Call, ...]:
    """The leaves of an explicit HTTP proxy: its listener, and the routes of all ports."""
    return (call(explicit_listener, explicit), call(explicit_table, explicit.scope))


def inbound_leaves(read: Read, offer: Offer) -> tuple[Call, ...]:
    """The leaves of what a workload offers: its clusters, routes and listener, and what stands in the slots of that."""
    ports = read.get(inbound_ports, offer)
    return (
        *(call(inbound_cluster, port, offer.families) for port in ports),
        *(call(inbound_table, port.number) for port in ports if port.takes_http),
        call(virtual_inbound, offer, ports),
        *(call(bound_inbound, offer, port) for port in ports if port.bind),
        call(filters, offer.namespace, offer.labels),
    )
