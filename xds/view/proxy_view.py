"""What one proxy is sent, as three calls: what anybody may reach, what its namespace sees otherwise, what it offers."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.proxy import Proxy
from xds.view.graph import Call, Read, call
from xds.view.inbound import Offer, inbound_clusters, inbound_ports
from xds.view.listeners import virtual_inbound
from xds.view.outbound import anybody, groups, near_groups
from xds.view.scope import scope


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
        call(inbound_groups, Offer(proxy.namespace, proxy.labels, proxy.name)),
    )


def inbound_groups(read: Read, offer: Offer) -> tuple[Call, ...]:
    """The groups of what a workload offers: one."""
    return (call(inbound_leaves, offer),)


def inbound_leaves(read: Read, offer: Offer) -> tuple[Call, ...]:
    """The leaves of what a workload offers: its listener and its clusters."""
    return (call(inbound_clusters, offer), call(virtual_inbound, read.get(inbound_ports, offer)))
