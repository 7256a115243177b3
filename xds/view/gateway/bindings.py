"""What gateways say, whichever kind they are of: each kind has these three functions."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.gateway import API_GROUP, BoundConnection, BoundHost, Server
from xds.model.labels import NO_LABELS, Labels
from xds.model.refs import ObjectRef
from xds.view.gateway import istio
from xds.view.gateway_api import bound as gateway_api
from xds.view.graph import Read


class At(NamedTuple):
    """A server of a gateway, at a router of that namespace that has these labels, as far as routes ask for them."""

    gateway: ObjectRef
    server: Server
    namespace: str
    labels: Labels = NO_LABELS


def servers(read: Read, gateway: ObjectRef) -> tuple[Server, ...]:
    """The servers of a gateway that are valid, in its order."""
    return read.get((gateway_api if gateway.group == API_GROUP else istio).servers, gateway)


def host_names(read: Read, at: At) -> tuple[str, ...]:
    """The hosts of a server for HTTP, sorted."""
    if at.gateway.group == API_GROUP:
        return tuple(sorted(read.get(_of_api, at.gateway, at.server)))
    return read.get(istio.host_names, at.gateway, at.server, _viewer(at))


def host_routes(read: Read, at: At, host: str) -> BoundHost:
    """The routes of a host, in the order in which they are tried; none for one that the server has not."""
    if at.gateway.group == API_GROUP:
        return read.get(_of_api, at.gateway, at.server).get(host, BoundHost(host, ()))
    return read.get(istio.host_routes, at.gateway, at.server, _viewer(at), host)


def _of_api(read: Read, gateway: ObjectRef, server: Server) -> dict[str, BoundHost]:
    return {each.host: each for each in read.get(gateway_api.http_hosts, gateway, server)}


def _viewer(at: At) -> istio.Viewer:
    return istio.Viewer(at.namespace, at.labels)


def connections(read: Read, at: At) -> tuple[BoundConnection, ...]:
    """Where the connections of a server go that are not read as HTTP."""
    if at.gateway.group == API_GROUP:
        return read.get(gateway_api.connections, at.gateway, at.server)
    return read.get(istio.connections, at.gateway, at.server, _viewer(at))
