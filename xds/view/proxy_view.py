"""What one proxy is sent, as three calls: what anybody may reach, what its namespace sees otherwise, what it offers."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.proxy import Proxy
from xds.view.explicit import ExplicitProxy, explicit_listener, explicit_table
from xds.view.filters import filters
from xds.view.graph import Call, Read, call
from xds.view.inbound import Offer, inbound_cluster, inbound_ports
from xds.view.inbound_listener import virtual_inbound
from xds.view.outbound import groups, near_groups
from xds.view.scope import Scope, anybody, scope


class ProxyView(NamedTuple):
    """The roots of a proxy's configuration. Proxies with equal views share everything that follows.

    ``near`` makes resources that take the place of those of the same name from ``outbound``.
    """

    outbound: Call
    near: Call
    inbound: Call


def proxy_view(read: Read, proxy: Proxy) -> ProxyView:
    """The view of a proxy."""
    seen = scope(read, proxy)
    return ProxyView(
        call(groups, anybody(seen)),
        call(near_groups, seen),
        call(own_groups, Offer(proxy.namespace, proxy.labels, proxy.name, proxy.identity), _explicit(proxy, seen)),
    )


def _explicit(proxy: Proxy, seen: Scope) -> ExplicitProxy | None:
    if not proxy.http_proxy_port or not proxy.addresses:
        return None
    return ExplicitProxy(proxy.addresses[0], proxy.http_proxy_port, seen)


def own_groups(read: Read, offer: Offer, explicit: ExplicitProxy | None) -> tuple[Call, ...]:
    """The groups of what is a proxy's own: what its workload offers, or its explicit proxy."""
    return (call(inbound_leaves, offer) if explicit is None else call(explicit_leaves, explicit),)


def explicit_leaves(read: Read, explicit: ExplicitProxy) -> tuple[Call, ...]:
    """The leaves of an explicit HTTP proxy: its listener, and the routes of all ports."""
    return (call(explicit_listener, explicit), call(explicit_table, explicit.scope))


def inbound_leaves(read: Read, offer: Offer) -> tuple[Call, ...]:
    """The leaves of what a workload offers: its clusters, its listener, and what stands in the slots of that."""
    ports = read.get(inbound_ports, offer)
    return (
        *(call(inbound_cluster, port) for port in ports),
        call(virtual_inbound, offer, ports),
        call(filters, offer.namespace, offer.labels),
    )
