"""Which resources a patch (Istio's EnvoyFilter) may touch, by what their specs are; not by what is in them."""

from __future__ import annotations

from typing import Final

import re2

from xds.model.patch import ApplyTo, Operation, Patch, Traffic
from xds.view import names
from xds.view.specs.clusters import ClusterSpec
from xds.view.specs.listeners import ListenerSpec
from xds.view.specs.resources import ConnectionSpec, Spec
from xds.view.specs.routes import RouteTable, VirtualHostSpec

_VIRTUAL: Final = frozenset({names.VIRTUAL_INBOUND, names.VIRTUAL_OUTBOUND})


def touches(patch: Patch, spec: Spec, *, router: bool) -> bool:
    """Whether the patch may change the resource of that spec, by what the spec is; what is in it is not looked at."""
    if patch.traffic not in (Traffic.ANY, _traffic(spec, router=router)):
        return False
    if isinstance(spec, ListenerSpec):
        wanted = patch.listener
        virtual = spec.name in _VIRTUAL and patch.to is not ApplyTo.LISTENER
        return wanted.name in ("", spec.name) and (virtual or wanted.port in (0, spec.port))
    if isinstance(spec, RouteTable):
        return _is_in_table(patch, spec)
    if isinstance(spec, VirtualHostSpec):
        if patch.to is ApplyTo.ROUTE_CONFIGURATION or _adds_host(patch) or not _is_table(patch, spec.table):
            return False
        return _is_host(patch, spec)
    return isinstance(spec, ConnectionSpec) or (isinstance(spec, ClusterSpec) and _is_cluster(patch, spec))


def _is_in_table(patch: Patch, table: RouteTable) -> bool:
    if not _is_table(patch, table.name):
        return False
    whole = patch.to is ApplyTo.ROUTE_CONFIGURATION or _adds_host(patch)
    return whole or any(_is_host(patch, host) for host in table.virtual_hosts)


def _is_host(patch: Patch, spec: VirtualHostSpec) -> bool:
    host, domain = patch.routes.virtual_host, patch.routes.domain
    return host in ("", spec.name.removeprefix(f"{spec.table}/")) and (not domain or domain in spec.domains)


def _adds_host(patch: Patch) -> bool:
    return patch.to is ApplyTo.VIRTUAL_HOST and patch.operation is Operation.ADD


def _traffic(spec: Spec, *, router: bool) -> Traffic:
    if router:
        return Traffic.GATEWAY
    if isinstance(spec, ListenerSpec):
        return Traffic.OUTBOUND if spec.outbound else Traffic.INBOUND
    of = spec.table if isinstance(spec, VirtualHostSpec) else spec.name
    inbound = names.is_inbound(of) or of == names.INBOUND_PASSTHROUGH
    return Traffic.INBOUND if inbound else Traffic.OUTBOUND


def _is_table(patch: Patch, table: str) -> bool:
    wanted = patch.routes
    if wanted.gateway or wanted.port_name:  # only a server that ends TLS has a table of its own
        kind, _, rest = table.partition(".")
        server = rest.partition(".")[2]  # https.443.PORT-NAME.GATEWAY.NAMESPACE
        of_gateway = not wanted.gateway or f".{server}".endswith(f".{wanted.gateway}")
        of_port = not wanted.port_name or server.startswith(f"{wanted.port_name}.")
        if kind != "https" or not (of_gateway and of_port):
            return False
    return wanted.table in ("", table) and wanted.port in (0, _port_of_table(table))


def _port_of_table(name: str) -> int:
    """The port in a table's name: ``80``, ``web.shop.svc.cluster.local:80``, ``inbound|8080||``, ``http.8080``."""
    found = re2.search(r"^(?:inbound\||https?\.|.*:)?(\d+)(?:$|\||\.)", name)
    return int(found.group(1)) if found is not None else -1


def _is_cluster(patch: Patch, spec: ClusterSpec) -> bool:
    wanted = patch.cluster
    if wanted.name not in ("", spec.name):
        return False
    if not (wanted.port or wanted.host or wanted.subset):
        return True
    kind, port, subset, host = (*spec.name.split("|", 3), "", "", "")[:4]
    if wanted.port and str(wanted.port) != port:
        return False
    if wanted.subset and wanted.subset != subset:
        return False
    if kind == "inbound" and wanted.host:
        _, name, namespace = spec.service
        return bool(name) and wanted.host.startswith(f"{name}.{namespace}.svc.")
    return wanted.host in ("", host)


def removes(patch: Patch, spec: Spec) -> bool:
    """Whether a patch that touches the resource of that spec takes it away."""
    if patch.operation is not Operation.REMOVE:
        return False
    if isinstance(spec, VirtualHostSpec):
        return patch.to is ApplyTo.VIRTUAL_HOST
    if not isinstance(spec, ListenerSpec | ClusterSpec):
        return False
    return patch.to is (ApplyTo.LISTENER if isinstance(spec, ListenerSpec) else ApplyTo.CLUSTER)
