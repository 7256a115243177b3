"""EnvoyFilters: whose proxies get which patches, each patch read as a message of Envoy's API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from xds.decoders.row import Authored, Row
from xds.kinds.envoy_filter import (
    EnvoyConfigObjectMatch,
    EnvoyConfigObjectPatch,
    EnvoyFilterSpec,
    FilterChainMatch,
    ListenerMatch,
    ProxyMatch,
    RouteConfigurationMatch,
    RouteMatch,
    VirtualHostMatch,
)
from xds.kinds.envoy_filter import EnvoyFilter as Struct
from xds.model.filters import FilterSlot
from xds.model.labels import NO_LABELS, labels
from xds.model.patch import (
    ApplyTo,
    ClusterIs,
    EnvoyFilter,
    ListenerIs,
    Operation,
    Patch,
    PatchesFor,
    ProxyIs,
    RoutesAre,
    Traffic,
)
from xds.model.refs import FieldRef
from xds.model.security import Target
from xds.model.snapshot import Input, Table
from xds.translators.envoy_filters.values import Unreadable, spelled
from xds.translators.feature import Reading
from xds.translators.regex import refusal

_INSERTING: Final = frozenset({Operation.INSERT_BEFORE, Operation.INSERT_AFTER, Operation.INSERT_FIRST})
_FILTERS: Final = frozenset({ApplyTo.NETWORK_FILTER, ApplyTo.HTTP_FILTER, ApplyTo.LISTENER_FILTER})
_ORDERED: Final = _FILTERS | {ApplyTo.HTTP_ROUTE, ApplyTo.FILTER_CHAIN}
_RESOURCES: Final = frozenset({ApplyTo.CLUSTER, ApplyTo.LISTENER, ApplyTo.EXTENSION_CONFIG})
_MOST: Final = 256  # patches of an object: each is one more pass over all that it may touch
_NODE_KEYS: Final = frozenset({"NAMESPACE", "NAME", "SERVICE_ACCOUNT"})
_OURS: Final = re.compile(
    r"(outbound|inbound)(_\.[^|]*|\|.*)|BlackHoleCluster|PassthroughCluster|InboundPassthroughCluster"
    r"|virtual(Inbound|Outbound)|http_proxy|xds-grpc|sds-grpc|(\d+\.\d+\.\d+\.\d+|[0-9a-fA-F]*:[0-9a-fA-F:]*)_\d+"
)
# Configurations of filters that the mesh sends apart from listeners have such names, or those of slots.
_OUR_EXTENSIONS: Final = re.compile(r".*[|/:].*|outbound-unknown|tcp\..*", re.DOTALL)
_SLOTS: Final = frozenset(slot.resource(tcp=tcp) for slot in FilterSlot for tcp in (False, True))


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of an EnvoyFilter: whose proxies it is for under its namespace, and its patches under its name.

    Problems: envoy-filter.*.
    Source: istio networking/v1alpha3 EnvoyFilter; istio-semantics 1.12.
    """
    struct: Struct = authored.struct
    spec, reading = struct.spec, authored.reading
    _check_whose(spec, authored.spec, reading)
    if len(spec.config_patches) > _MOST:
        message = f"must be {_MOST} at most, are {len(spec.config_patches)}; write another EnvoyFilter for the rest"
        reading.error(authored.spec / "configPatches", "envoy-filter.patches", message)
    patches = [
        patch
        for index, each in enumerate(spec.config_patches[:_MOST])
        if (patch := _patch(each, authored.spec / "configPatches" / index, reading)) is not None
    ]
    asked = {patch.proxy for patch in patches}
    for proxy in sorted(asked, key=lambda wanted: (wanted.version, sorted(wanted.metadata))):
        alike = [patch for patch in patches if patch.proxy == proxy]
        yield Row(Input(Table.ENVOY_FILTER, authored.ref.namespace), _for(authored, spec, proxy, alike))
    yield Row(Input(Table.PATCHES, authored.ref), EnvoyFilter(authored.ref, tuple(patches)))


def _for(authored: Authored, spec: EnvoyFilterSpec, proxy: ProxyIs, alike: list[Patch]) -> PatchesFor:
    touched = {patch.traffic for patch in alike}
    # What is added belongs to no traffic: it stands in a sidecar's own layer.
    added = any(_adds_resource(patch) for patch in alike)
    anything = Traffic.ANY in touched
    selector = spec.workload_selector
    return PatchesFor(
        priority=spec.priority,
        created=authored.created,
        of=authored.ref,
        proxy=proxy,
        selector=labels(selector.labels) if selector is not None else NO_LABELS,
        targets=tuple(Target(each.group, each.kind, each.name) for each in spec.target_refs),
        inbound=anything or added or Traffic.INBOUND in touched,
        outbound=anything or Traffic.OUTBOUND in touched,
        gateway=anything or Traffic.GATEWAY in touched,
        size=len(alike),
    )


def _adds_resource(patch: Patch) -> bool:
    if patch.to is ApplyTo.HTTP_FILTER:
        return patch.operation.adds and bool(patch.config)
    return patch.operation is Operation.ADD and patch.to in _RESOURCES


def _check_whose(spec: EnvoyFilterSpec, at: FieldRef, reading: Reading) -> None:
    if spec.workload_selector is not None and spec.target_refs:
        reading.error(
            at / "workloadSelector", "envoy-filter.selector-and-target", "excludes targetRefs; leave one of them out"
        )
    for index, target in enumerate(spec.target_refs):
        if target.kind == "Gateway" and target.namespace in ("", at.object.namespace):
            continue
        message = "must be a Gateway of the same namespace; sidecars are chosen by workloadSelector"
        reading.warning(at / "targetRefs" / index, "envoy-filter.target", f"{message}, is {target.kind}")


def _patch(each: EnvoyConfigObjectPatch, at: FieldRef, reading: Reading) -> Patch | None:
    match = each.match or EnvoyConfigObjectMatch()
    if each.apply_to == "BOOTSTRAP":
        message = "is not patched while a proxy runs; change the bootstrap (docs/deploy.md)"
        reading.warning(at / "applyTo", "envoy-filter.bootstrap", message)
        return None
    if match.context == "WAYPOINT":
        reading.warning(at / "match.context", "envoy-filter.waypoint", "is nobody's, as there are no waypoints")
        return None
    to, operation = ApplyTo(each.apply_to), Operation(each.patch.operation)
    if not _sensible(to, operation, at, reading) or not _match_fits(to, match, at / "match", reading):
        return None
    try:
        value = spelled(to, each.patch.value)
    except Unreadable as error:
        where = at / "patch" / "value"
        for step in error.path:
            where = where / step if isinstance(step, int) else where.key(step)
        reading.error(where, "envoy-filter.value", error.message)
        return None
    if not _nameable(to, operation, value.name, at / "patch.value.name", reading):
        return None
    if operation is not Operation.REMOVE and not value.body:
        reading.error(at / "patch.value", "envoy-filter.empty", f"must say what to {operation.value.lower()}")
    return Patch(
        at=at,
        to=to,
        operation=operation,
        traffic=Traffic(match.context),
        where=_where(to, match),
        proxy=_proxy(match.proxy, at / "match.proxy", reading),
        name=value.name,
        config="" if _is_our_extension(value.name) else value.config,
        value=value.body if operation is not Operation.REMOVE else b"",
    )


def _sensible(to: ApplyTo, operation: Operation, at: FieldRef, reading: Reading) -> bool:
    """Whether the operation can be done to that at all. Source: istio networking/v1alpha3, Patch.Operation."""
    fits = True
    if operation is Operation.REPLACE:
        fits = to in (ApplyTo.NETWORK_FILTER, ApplyTo.HTTP_FILTER)
    elif operation in _INSERTING:
        fits = to in _ORDERED
    elif to is ApplyTo.ROUTE_CONFIGURATION:
        fits = operation.merges
    elif to is ApplyTo.EXTENSION_CONFIG:
        fits = operation is Operation.ADD
    if not fits:
        message = f"must be one that {to.value} has, is {operation.value}; nothing is patched"
        reading.error(at / "patch.operation", "envoy-filter.operation", message)
    return fits


def _match_fits(to: ApplyTo, match: EnvoyConfigObjectMatch, at: FieldRef, reading: Reading) -> bool:
    wanted = "listener" if to.in_listener else "routeConfiguration" if to.in_routes else "cluster"
    given = {
        name
        for name, part in (
            ("listener", match.listener),
            ("routeConfiguration", match.route_configuration),
            ("cluster", match.cluster),
        )
        if part is not None
    }
    for name in sorted(given - {wanted}):
        message = f"says nothing of {to.value}; must be {wanted}"
        reading.error(at / name, "envoy-filter.match", message)
    routes = match.route_configuration
    if routes is not None and (routes.gateway or routes.port_name):
        message = "tells HTTPS servers apart only: the HTTP servers of a port share their routes; match vhost, too"
        field = "gateway" if routes.gateway else "portName"
        reading.warning(at / "routeConfiguration" / field, "envoy-filter.https-only", message)
    return not given - {wanted}


def _nameable(to: ApplyTo, operation: Operation, name: str, at: FieldRef, reading: Reading) -> bool:
    if not operation.adds or to in (ApplyTo.HTTP_ROUTE, ApplyTo.FILTER_CHAIN):
        return True
    if not name:
        reading.error(at, "envoy-filter.name", "must be set on what is added")
        return False
    taken = to in (ApplyTo.CLUSTER, ApplyTo.LISTENER) and _OURS.fullmatch(name)
    if taken or (to is ApplyTo.EXTENSION_CONFIG and _is_our_extension(name)):
        reading.error(at, "envoy-filter.name-taken", f"must be a name that the mesh does not use itself, is {name!r}")
        return False
    return True


def _is_our_extension(name: str) -> bool:
    return name in _SLOTS or _OUR_EXTENSIONS.fullmatch(name) is not None


def _proxy(match: ProxyMatch | None, at: FieldRef, reading: Reading) -> ProxyIs:
    if match is None:
        return ProxyIs()
    for key in sorted(match.metadata.keys() - _NODE_KEYS):
        message = f"must be one of {', '.join(sorted(_NODE_KEYS))}; no proxy is known by another"
        reading.warning((at / "metadata").key(key), "envoy-filter.metadata", message)
    if match.proxy_version:
        if why := refusal(match.proxy_version):
            message = f"must be an RE2 regular expression: {why}"
            reading.error(at / "proxyVersion", "envoy-filter.proxy-version", message)
        else:
            message = "is compared with the version of Envoy, as proxies are stock Envoys here"
            reading.warning(at / "proxyVersion", "envoy-filter.proxy-version-is-envoys", message)
    return ProxyIs(match.proxy_version, labels(match.metadata))


def _where(to: ApplyTo, match: EnvoyConfigObjectMatch) -> ListenerIs | RoutesAre | ClusterIs | None:
    if to.in_listener:
        return _listener(match.listener) if match.listener is not None else None
    if to.in_routes:
        return _routes(match.route_configuration) if match.route_configuration is not None else None
    found = match.cluster
    if to is not ApplyTo.CLUSTER or found is None:
        return None
    return ClusterIs(found.port_number, found.service.lower(), found.subset, found.name)


def _listener(match: ListenerMatch) -> ListenerIs:
    chain = match.filter_chain or FilterChainMatch()
    inner = chain.filter.sub_filter if chain.filter is not None else None
    return ListenerIs(
        port=match.port_number,
        name=match.name,
        listener_filter=match.listener_filter,
        chain=chain.name,
        sni=chain.sni,
        transport=chain.transport_protocol,
        application_protocols=tuple(filter(None, (each.strip() for each in chain.application_protocols.split(",")))),
        destination_port=chain.destination_port,
        filter=chain.filter.name if chain.filter is not None else "",
        http_filter=inner.name if inner is not None else "",
    )


def _routes(match: RouteConfigurationMatch) -> RoutesAre:
    host = match.vhost or VirtualHostMatch()
    route = host.route or RouteMatch()
    action = "" if route.action == "ANY" else route.action
    namespace, slash, name = match.gateway.partition("/")
    return RoutesAre(
        port=match.port_number,
        table=match.name,
        virtual_host=host.name,
        domain=host.domain_name,
        route=route.name,
        action=action,
        gateway=f"{name}.{namespace}" if slash else match.gateway,
        port_name=match.port_name,
    )
