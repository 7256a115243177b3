"""What is sent in the place of a resource that Envoy refuses and of which there was no good version before.

A virtual host, or the virtual hosts of a route configuration that are bad, answer 503: were they left out, their
requests would be taken by whoever is next, as by what lets unknown hosts pass.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from google.protobuf.message import Message

from xds.api.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from xds.api.envoy.config.rbac.v3.rbac_pb2 import RBAC
from xds.api.envoy.config.route.v3.route_components_pb2 import VirtualHost
from xds.api.envoy.config.route.v3.route_pb2 import RouteConfiguration
from xds.api.envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as http_rbac
from xds.api.envoy.extensions.filters.network.rbac.v3 import rbac_pb2 as network_rbac
from xds.model.filters import FilterSlot
from xds.wire.codec import encode, pack
from xds.wire.resource import Resource
from xds.wire.type_urls import EXTENSION, ROUTE, VIRTUAL_HOST

_REFUSED: Final = 503
_HARMLESS: Final = frozenset(
    slot.resource(tcp=False) for slot in (FilterSlot.RATE_LIMIT, FilterSlot.RATE_LIMIT_SERVICE)
)
_OF_POLICIES: Final = {slot.resource(tcp=tcp): tcp for slot in FilterSlot for tcp in (False, True)}


def stand_in(wanted: Resource) -> Resource | None:
    """What stands in the place of one: a virtual host that answers 503, of a policy one that lets nobody pass.

    None for what is better not there at all.
    """
    if wanted.type_url == VIRTUAL_HOST:
        return _as(wanted, closed(VirtualHost.FromString(wanted.body)))
    if wanted.type_url == EXTENSION and wanted.name in _HARMLESS:
        return passed_by(wanted)
    if wanted.type_url == EXTENSION and wanted.name in _OF_POLICIES:
        return _as(
            wanted, TypedExtensionConfig(name=wanted.name, typed_config=pack(_nobody(tcp=_OF_POLICIES[wanted.name])))
        )
    return None


def passed_by(wanted: Resource) -> Resource:
    """A configuration that does nothing, in the place of one of an HTTP filter that keeps nobody out."""
    return _as(wanted, TypedExtensionConfig(name=wanted.name, typed_config=pack(http_rbac.RBAC())))


def _nobody(*, tcp: bool) -> Message:
    none = RBAC(action=RBAC.ALLOW)  # without policies: nobody
    return network_rbac.RBAC(stat_prefix="refused.", rules=none) if tcp else http_rbac.RBAC(rules=none)


def _as(wanted: Resource, message: Message) -> Resource:
    return Resource(wanted.type_url, wanted.name, encode(message), wanted.provenance)


def closed(host: VirtualHost) -> VirtualHost:
    """A virtual host of that name and those domains that answers every request with 503."""
    made = VirtualHost(name=host.name, domains=dict.fromkeys(host.domains))
    route = made.routes.add(name="refused")
    route.match.prefix = "/"
    route.direct_response.status = _REFUSED
    return made


def hosts_of(table: Resource) -> dict[str, Resource]:
    """The virtual hosts that stand in a route configuration, by name, as resources of their own."""
    if table.type_url != ROUTE:
        return {}
    found = RouteConfiguration.FromString(table.body).virtual_hosts
    return {each.name: Resource(VIRTUAL_HOST, each.name, encode(each), table.provenance) for each in found}


def repaired(table: Resource, bad: Collection[str], before: Mapping[str, Resource]) -> Resource:
    """A route configuration with its ``bad`` virtual hosts as they were ``before``, or closed."""
    message = RouteConfiguration.FromString(table.body)
    taken = {domain.lower() for host in message.virtual_hosts if host.name not in bad for domain in host.domains}
    for host in message.virtual_hosts:
        if host.name in bad:
            known = before.get(host.name)
            host.CopyFrom(closed(host) if known is None else VirtualHost.FromString(known.body))
            free = [each for each in dict.fromkeys(host.domains) if each.lower() not in taken]
            del host.domains[:]
            host.domains.extend(free)
            taken.update(each.lower() for each in free)
    left = [host for host in message.virtual_hosts if host.domains]
    del message.virtual_hosts[:]
    message.virtual_hosts.extend(left)
    return Resource(table.type_url, table.name, encode(message), table.provenance)
