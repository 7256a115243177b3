"""Patches of route configurations, virtual hosts and routes."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from xds.api.envoy.config.route.v3.route_components_pb2 import Route, VirtualHost
from xds.api.envoy.config.route.v3.route_pb2 import RouteConfiguration
from xds.model.patch import ApplyTo, Operation, Patch
from xds.translators.envoy_filters.lists import Inapplicable, edit, merged_over

_ACTIONS: Final = {"ROUTE": "route", "REDIRECT": "redirect", "DIRECT_RESPONSE": "direct_response"}


def patch_table(patch: Patch, table: RouteConfiguration, value: Message) -> int:
    """Apply the patch to a route configuration and what is in it; how many places it touched. Errors: Inapplicable."""
    if patch.to is ApplyTo.ROUTE_CONFIGURATION:
        name = table.name
        merged_over(table, value, patch)
        table.name = name
        return 1
    if patch.to is ApplyTo.VIRTUAL_HOST and patch.operation is Operation.ADD and isinstance(value, VirtualHost):
        _check_domains(table, value)
        table.virtual_hosts.append(value)
        return 1
    hosts = [host for host in table.virtual_hosts if means(patch, host, table.name)]
    if patch.to is ApplyTo.VIRTUAL_HOST and patch.operation is Operation.REMOVE:
        for host in hosts:
            table.virtual_hosts.remove(host)
        return len(hosts)
    return sum(patch_virtual_host(patch, host, value) for host in hosts)


def patch_virtual_host(patch: Patch, host: VirtualHost, value: Message) -> int:
    """Apply the patch to a virtual host that it means, or to its routes; how many places it touched.

    Errors: Inapplicable.
    """
    if patch.to is ApplyTo.VIRTUAL_HOST:
        name = host.name
        merged_over(host, value, patch)
        host.name = name
        return 1
    wanted = patch.routes
    if not wanted.route and not wanted.action:
        return edit(host.routes, patch, value, None)

    def meant(route: Route) -> bool:
        if wanted.route and route.name != wanted.route:
            return False
        return not wanted.action or route.WhichOneof("action") == _ACTIONS[wanted.action]

    return edit(host.routes, patch, value, meant)


def means(patch: Patch, host: VirtualHost, table: str) -> bool:
    """Whether the patch means that virtual host of the table; Istio's names of hosts do not have the table's."""
    wanted = patch.routes
    if wanted.virtual_host and wanted.virtual_host != host.name.removeprefix(f"{table}/"):
        return False
    return not wanted.domain or wanted.domain in host.domains


def _check_domains(table: RouteConfiguration, value: VirtualHost) -> None:
    taken = {domain for host in table.virtual_hosts for domain in host.domains}
    given = set(value.domains)
    if not given or taken & given:
        said = ", ".join(sorted(taken & given)) or "none"
        raise Inapplicable(f"must have domains that no virtual host of {table.name} has, has {said}")
